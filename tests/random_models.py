"""Small networks at random, from tinyconv or from Keras: the same seed gives the same network."""

import numpy as np


def random_network(library, seed):
    """A line or a graph of a few layers: with models inside, layers called twice, several inputs and outputs."""
    return _Builder(library, np.random.default_rng(seed)).network()


def inputs_for(model, seed):
    """Inputs for a network, of two samples."""
    rng = np.random.default_rng(seed)
    x = [rng.normal(size=(2, *tensor.shape[1:])).astype(np.float32) for tensor in model.inputs]
    return x if len(x) > 1 else x[0]


def randomize(model, seed):
    """Weights away from where they begin; vectors are positive because some of them are variances."""
    rng = np.random.default_rng(seed)
    new = [rng.uniform(0.3, 1.2, w.shape) if w.ndim == 1 else _kernel(rng, w.shape) for w in model.get_weights()]
    model.set_weights([w.astype(np.float32) for w in new])
    return model


def _kernel(rng, shape):
    """Numbers that neither swell nor fade a signal."""
    return rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))


class _Builder:
    """What one network is made with."""

    def __init__(self, library, rng):
        self.library, self.kind, self.rng = library, library.layers, rng

    def network(self):
        """Any of the kinds."""
        if self.rng.random() < 0.25:
            return self.line((9, 8, 2), 5, ends=True)
        image = self.library.Input((9, 8, 2))
        x = self.body(image, self.rng.integers(1, 5))
        vector = self.kind.GlobalAveragePooling2D()(x) if self.rng.random() < 0.5 else self.kind.Flatten()(x)
        inputs = [image]
        if self.rng.random() < 0.4:
            inputs.append(self.library.Input((4,)))
            vector = self.kind.Concatenate()([vector, inputs[1]])
        outputs = [self.kind.Dense(3, activation="softmax")(vector)]
        if self.rng.random() < 0.4:
            outputs.append(self.kind.Dense(2, activation="tanh", use_bias=False)(self.kind.Dropout(0.3)(vector)))
        if self.rng.random() < 0.2:
            outputs.append(x)
        return self.library.Model(inputs if len(inputs) > 1 else image, outputs if len(outputs) > 1 else outputs[0])

    def line(self, shape, length, ends=False):
        """A `Sequential`."""
        line = self.library.Sequential([self.library.Input(shape)])
        for _ in range(length):
            line.add(self.layer(line.output_shape if line.layers else (None, *shape)))
        if ends:
            line.add(self.kind.Flatten())
            line.add(self.kind.Dense(3, activation="sigmoid", kernel_regularizer="l2"))
        return line

    def body(self, x, steps):
        """Images -> images."""
        for _ in range(steps):
            way = self.rng.random()
            if way < 0.5:
                x = self.layer(x.shape)(x)
            elif way < 0.65:
                x = self.kind.Add()([self.keeping(x.shape)(x), self.keeping(x.shape)(x)])
            elif way < 0.75:
                x = self.kind.Concatenate()([x, self.keeping(x.shape)(x)])
            elif way < 0.85:
                shared = self.keeping(x.shape)
                x = shared(shared(x))
            else:
                inner = self.inner(x.shape)
                x = self.kind.Add()([inner(x), inner(self.keeping(x.shape)(x))])
        return x

    def inner(self, shape):
        """A model to be used as a layer."""
        if self.rng.random() < 0.5:
            return self.line(shape[1:], 2)
        x = self.library.Input(shape[1:])
        return self.library.Model(x, self.body(x, 2))

    def keeping(self, shape):
        """A layer whose output has its input's shape."""
        kind, channels = self.kind, shape[-1]
        return self._one_of(
            lambda: kind.Conv2D(channels, 3, padding="same", activation="relu", kernel_initializer="he_normal"),
            lambda: kind.Conv2D(channels, (2, 3), dilation_rate=(2, 1), padding="same", use_bias=False),
            lambda: kind.DepthwiseConv2D((3, 2), padding="same", activation="elu"),
            lambda: kind.BatchNormalization(momentum=0.9, epsilon=0.01),
            lambda: kind.BatchNormalization(scale=False, trainable=False),
            lambda: kind.MaxPooling2D((3, 2), strides=1, padding="same"),
            lambda: kind.Dense(channels, activation="tanh", trainable=False),
            lambda: kind.Activation("gelu"),
            lambda: kind.ReLU(max_value=6.0, negative_slope=0.1, threshold=0.2),
            lambda: kind.LeakyReLU(0.2),
            lambda: kind.ELU(0.5),
            lambda: kind.Softmax(),
            lambda: kind.Dropout(0.5),
            lambda: kind.SpatialDropout2D(0.2),
            lambda: kind.Rescaling(0.5, offset=-0.1),
            lambda: kind.RandomFlip("horizontal"),
            lambda: kind.RandomRotation(0.1, fill_mode="nearest"),
            lambda: kind.RandomTranslation(0.1, (-0.2, 0.3)),
            lambda: kind.RandomZoom((-0.1, 0.2)),
            lambda: kind.RandomContrast(0.2),
        )

    def layer(self, shape):
        """Any layer that takes images of this shape; it leaves at least four rows and columns."""
        kind = self.kind
        if min(shape[1:3]) < 8 or self.rng.random() < 0.5:
            return self.keeping(shape)
        return self._one_of(
            lambda: kind.Conv2D(4, (3, 2), activation="relu", kernel_regularizer="l1"),
            lambda: kind.Conv2D(6, 3, strides=2, groups=shape[-1] if 6 % shape[-1] == 0 else 1, padding="same"),
            lambda: kind.DepthwiseConv2D(2, strides=2, depth_multiplier=2),
            lambda: kind.MaxPooling2D(padding="same"),
            lambda: kind.AveragePooling2D((2, 1)),
            lambda: kind.ZeroPadding2D(((1, 0), (2, 1))),
            lambda: kind.GlobalMaxPooling2D(keepdims=True) if False else kind.MaxPooling2D(2),
        )

    def _one_of(self, *makers):
        return makers[self.rng.integers(len(makers))]()
