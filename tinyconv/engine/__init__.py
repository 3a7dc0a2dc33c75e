"""What runs a network: the order of its layers, and the memory its parameters live in."""
