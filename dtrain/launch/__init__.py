"""Starting coordinators and workers: as processes of this host."""
