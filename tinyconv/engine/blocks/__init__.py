"""What runs layers fast: a block for each run of layers, and the algorithms that blocks choose from."""
