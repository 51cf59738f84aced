"""The files an administrator writes (ha.cf, authkeys, haresources): text in, values out."""
