"""What the subcommands of ``tinyconv`` do, one module each; `tinyconv.cli` reads the command line and calls them."""
