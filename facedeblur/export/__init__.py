"""What leaves a run folder: shipped weights with their card, and the network in formats that other runtimes read."""

SUFFIXES = {"onnx": ".onnx", "torchscript": ".pt"}  # of the files for other runtimes
