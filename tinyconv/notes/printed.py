"""What the notes print, copied from them: the worked example and the summaries of the networks.

Where a note's page cuts off the column "Param #", the number is missing here too.
"""

#: Note 001's two images and its kernel; note 000's map that is flattened.
IMAGES = {
    "A": """
        1 0 0 0 0 0
        0 1 1 1 0 0
        0 0 1 0 0 1
        0 1 0 0 1 0
        0 0 0 1 0 1
        0 0 1 0 0 1""",
    "B": """
        0 0 0 1 0 0
        0 1 0 0 0 0
        0 0 1 1 1 0
        0 0 0 1 0 0
        0 0 1 0 0 1
        0 0 0 0 1 0""",
}
KERNEL = """
        0 0 1
        0 1 0
        1 0 0"""
FLATTENED = """
        7 5
        5 8"""

#: Note 001's feature maps, and those maps pooled. Min pooling is note 000's; the example does not show it, so these
#: two are worked out by hand.
FEATURE_MAPS = {
    "A": "1 1 2 0 / 1 3 0 0 / 2 0 0 3 / 0 0 3 0",
    "B": "1 1 1 1 / 0 1 1 2 / 1 1 3 0 / 0 2 0 0",
}
MAX_POOLED = {"A": "3 2 / 2 3", "B": "1 2 / 2 3"}
MIN_POOLED = {"A": "1 0 / 0 0", "B": "0 1 / 0 0"}

#: Note 000's prediction, and the name it reads from it.
PREDICTION = (0.02161606, 0.02248923, 0.00239826, 0.87949467, 0.07400182)
CLASS_INDICES = {"daisy": 0, "dandelion": 1, "rose": 2, "sunflower": 3, "tulip": 4}
PREDICTED = "sunflower"

#: The summaries, by the name of the network.
SUMMARIES = {
    "note001": """
        input_1 (InputLayer)            (None, 299, 299, 3)   0
        conv2d (Conv2D)                 (None, 299, 299, 32)  2432
        max_pooling2d (MaxPooling2D)    (None, 149, 149, 32)  0
        conv2d_1 (Conv2D)               (None, 149, 149, 64)  18496
        max_pooling2d_1 (MaxPooling2D)  (None, 74, 74, 64)    0
        flatten (Flatten)               (None, 350464)        0
        dense (Dense)                   (None, 1000)          350465000
        dense_1 (Dense)                 (None, 100)           100100
        dense_2 (Dense)                 (None, 5)             505
        Total params: 350,586,533
        Trainable params: 350,586,533
        Non-trainable params: 0""",
    "note002": """
        rescaling_2 (Rescaling)         (None, 100, 100, 3)   0
        conv2d_6 (Conv2D)               (None, 100, 100, 16)  448
        max_pooling2d_6 (MaxPooling2D)  (None, 50, 50, 16)    0
        conv2d_7 (Conv2D)               (None, 50, 50, 32)    4640
        max_pooling2d_7 (MaxPooling2D)  (None, 25, 25, 32)    0
        conv2d_8 (Conv2D)               (None, 25, 25, 64)    18496
        max_pooling2d_8 (MaxPooling2D)  (None, 12, 12, 64)    0
        flatten_2 (Flatten)             (None, 9216)          0
        dense_4 (Dense)                 (None, 128)           1179776
        dense_5 (Dense)                 (None, 10)            1290
        Total params: 1,204,650
        Trainable params: 1,204,650
        Non-trainable params: 0""",
    "note003": """
        conv2d (Conv2D)                             (None, 28, 28, 75)  750
        batch_normalization (BatchNormalization)    (None, 28, 28, 75)  300
        max_pooling2d (MaxPooling2D)                (None, 14, 14, 75)  0
        conv2d_1 (Conv2D)                           (None, 14, 14, 50)  33800
        dropout (Dropout)                           (None, 14, 14, 50)  0
        batch_normalization_1 (BatchNormalization)  (None, 14, 14, 50)  200
        max_pooling2d_1 (MaxPooling2D)              (None, 7, 7, 50)    0
        conv2d_2 (Conv2D)                           (None, 7, 7, 25)    11275
        batch_normalization_2 (BatchNormalization)  (None, 7, 7, 25)    100
        max_pooling2d_2 (MaxPooling2D)              (None, 4, 4, 25)    0
        flatten (Flatten)                           (None, 400)         0
        dense (Dense)                               (None, 512)         205312
        dropout_1 (Dropout)                         (None, 512)         0
        dense_1 (Dense)                             (None, 24)          12312
        Total params: 264,049
        Trainable params: 263,749
        Non-trainable params: 300""",
    "note003-valid": """
        conv2d_22 (Conv2D)   (None, 26, 26, 32)
        conv2d_23 (Conv2D)   (None, 24, 24, 32)
        conv2d_24 (Conv2D)   (None, 22, 22, 32)
        flatten_8 (Flatten)  (None, 15488)
        dense_16 (Dense)     (None, 128)
        dense_17 (Dense)     (None, 10)
        Total params: 2,002,698 (7.64 MB)
        Trainable params: 2,002,698 (7.64 MB)
        Non-trainable params: 0 (0.00 B)""",
    "note003-same": """
        conv2d_28 (Conv2D)    (None, 28, 28, 32)
        conv2d_29 (Conv2D)    (None, 28, 28, 32)
        conv2d_30 (Conv2D)    (None, 28, 28, 32)
        flatten_10 (Flatten)  (None, 25088)
        dense_20 (Dense)      (None, 128)
        dense_21 (Dense)      (None, 10)
        Total params: 3,231,498 (12.33 MB)
        Trainable params: 3,231,498 (12.33 MB)
        Non-trainable params: 0 (0.00 B)""",
    "note003-strides": """
        conv2d_25 (Conv2D)   (None, 14, 14, 32)
        conv2d_26 (Conv2D)   (None, 7, 7, 32)
        conv2d_27 (Conv2D)   (None, 4, 4, 32)
        flatten_9 (Flatten)  (None, 512)
        dense_18 (Dense)     (None, 128)
        dense_19 (Dense)     (None, 10)
        Total params: 85,770 (335.04 KB)
        Trainable params: 85,770 (335.04 KB)
        Non-trainable params: 0 (0.00 B)""",
    "note003-pooling": """
        conv2d_20 (Conv2D)              (None, 26, 26, 32)
        max_pooling2d_2 (MaxPooling2D)  (None, 13, 13, 32)
        conv2d_21 (Conv2D)              (None, 11, 11, 32)
        max_pooling2d_3 (MaxPooling2D)  (None, 5, 5, 32)
        flatten_7 (Flatten)             (None, 800)
        dense_14 (Dense)                (None, 128)
        dense_15 (Dense)                (None, 10)
        Total params: 113,386 (442.91 KB)
        Trainable params: 113,386 (442.91 KB)
        Non-trainable params: 0 (0.00 B)""",
    "note004": """
        conv2d_4 (Conv2D)               (None, 26, 26, 32)  320
        max_pooling2d_4 (MaxPooling2D)  (None, 13, 13, 32)  0
        conv2d_5 (Conv2D)               (None, 11, 11, 64)  18496
        max_pooling2d_5 (MaxPooling2D)  (None, 6, 6, 64)    0
        flatten_2 (Flatten)             (None, 2304)        0
        dense_4 (Dense)                 (None, 64)          147520
        dense_5 (Dense)                 (None, 10)          650
        Total params: 166,986
        Trainable params: 166,986
        Non-trainable params: 0""",
}
