"""Heartbeat V1's resource manager: who holds which group, takeover, give-up, standby, failback."""
