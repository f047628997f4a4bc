"""A sweep at a glance: which variant wins, by how much, at what cost, from the files in its run folders."""
