"""The real world: sockets, disks, processes, clocks."""
