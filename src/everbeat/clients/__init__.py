"""Programs that speak Heartbeat's client API: who may sign on, what they are answered."""
