"""Bytes to messages and back: encodings, signatures, small file formats of Heartbeat 3.0.6."""
