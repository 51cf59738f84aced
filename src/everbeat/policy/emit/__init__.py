"""What leaves the engine: graph, scores, summary, drawing, and a simulated execution."""
