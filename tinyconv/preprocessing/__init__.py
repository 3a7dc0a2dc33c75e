"""From files on a disk to batches of arrays: images, folders of them, tables, and how they are split."""
