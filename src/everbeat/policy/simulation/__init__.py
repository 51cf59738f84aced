"""What might happen: events put into a document before the engine decides."""
