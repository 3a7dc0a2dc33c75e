"""How fast tinyconv is beside PyTorch and Keras; run from the root of the checkout, not installed."""
