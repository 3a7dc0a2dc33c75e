"""Every layer by name. One layer, or one family, is one file of this folder; `base` is the contract."""

from tinyconv.layers.activation import ELU, Activation, LeakyReLU, ReLU, Softmax
from tinyconv.layers.augmentation import (
    RandomBrightness,
    RandomContrast,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
)
from tinyconv.layers.base import Layer
from tinyconv.layers.batchnorm import BatchNormalization
from tinyconv.layers.conv import Conv2D, DepthwiseConv2D
from tinyconv.layers.dense import Dense
from tinyconv.layers.dropout import Dropout, SpatialDropout2D
from tinyconv.layers.flatten import Flatten, Reshape
from tinyconv.layers.input import Input, InputLayer
from tinyconv.layers.merge import Add, Concatenate, add, concatenate
from tinyconv.layers.pooling import (
    AveragePooling2D,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    GlobalMinPooling2D,
    MaxPooling2D,
    MinPooling2D,
)
from tinyconv.layers.rescaling import Rescaling
from tinyconv.layers.resizing import CenterCrop, RandomCrop, Resizing
from tinyconv.layers.zero_padding import ZeroPadding2D

# Keras's second names
AvgPool2D = AveragePooling2D
Convolution2D = Conv2D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalMinPool2D = GlobalMinPooling2D
MaxPool2D = MaxPooling2D
MinPool2D = MinPooling2D

__all__ = [
    "ELU",
    "Activation",
    "Add",
    "AveragePooling2D",
    "AvgPool2D",
    "BatchNormalization",
    "CenterCrop",
    "Concatenate",
    "Conv2D",
    "Convolution2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalAvgPool2D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling2D",
    "GlobalMinPool2D",
    "GlobalMinPooling2D",
    "Input",
    "InputLayer",
    "Layer",
    "LeakyReLU",
    "MaxPool2D",
    "MaxPooling2D",
    "MinPool2D",
    "MinPooling2D",
    "RandomBrightness",
    "RandomContrast",
    "RandomCrop",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "ReLU",
    "Rescaling",
    "Reshape",
    "Resizing",
    "Softmax",
    "SpatialDropout2D",
    "ZeroPadding2D",
    "add",
    "concatenate",
]
