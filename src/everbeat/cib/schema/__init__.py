"""The form of a CIB: what whoever writes one must keep, before anybody decides anything by it."""
