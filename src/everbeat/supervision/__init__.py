"""Which of our processes is started, restarted, killed and stopped when. Pure."""
