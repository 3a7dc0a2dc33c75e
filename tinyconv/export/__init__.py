"""Networks for other programs: `onnx` writes a file that ONNX Runtime and many others run."""

from tinyconv.export.network import largest_difference, onnx

__all__ = ["largest_difference", "onnx"]
