"""What the notes print, copied from them: the worked example, the summaries of the networks, and their trainings.

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

#: What the notes print of their trainings: epoch, loss, accuracy, val_loss, val_accuracy. Those of "note000-same" and
#: "note000-filters" are the baseline's, trained on and on; note 001 leaves epochs out.
TRAININGS = {
    "note000": """
        1  24.1725  0.3266  1.5767  0.2650
        2  1.3602   0.4267  1.4084  0.3867
        3  1.1455   0.5164  1.3301  0.4300
        4  0.9466   0.6413  1.2859  0.4975
        5  0.7482   0.7193  1.3876  0.4967
        6  0.5819   0.7905  1.5598  0.4600
        7  0.4126   0.8585  1.7991  0.4808
        8  0.2959   0.9073  2.1199  0.4758""",
    "note000-dropout": """
        1  60.6667  0.2364  1.5892  0.2142
        2  1.5791   0.2945  1.6027  0.2200
        3  1.5516   0.2839  1.5622  0.2625
        4  1.5147   0.3272  1.5939  0.2325
        5  1.4662   0.3433  1.5278  0.2917
        6  1.4181   0.3654  1.5497  0.2850
        7  1.3641   0.4090  1.5088  0.3117
        8  1.3305   0.4302  1.5830  0.2583""",
    "note000-same": """
        1  0.1121  0.9747  2.4604  0.5100
        2  0.1187  0.9724  2.5361  0.4700
        3  0.0810  0.9795  2.7356  0.4950
        4  0.0820  0.9808  2.7496  0.5042
        5  0.0580  0.9872  2.8406  0.4708
        6  0.0516  0.9888  3.0829  0.4892
        7  0.0423  0.9894  3.2076  0.4967
        8  0.0561  0.9846  3.4740  0.4850""",
    "note000-filters": """
        1  0.0752  0.9788  3.4948  0.4808
        2  0.0987  0.9734  3.9269  0.4700
        3  0.1264  0.9679  3.3994  0.4808
        4  0.1025  0.9759  3.5390  0.4675
        5  0.0618  0.9840  3.3631  0.4800
        6  0.0549  0.9865  3.3446  0.4767
        7  0.0490  0.9891  3.3371  0.4967
        8  0.0331  0.9926  3.4621  0.4983""",
    "note000-augmented": """
        1  1.4611  0.3545  1.3207  0.4050
        2  1.2176  0.4678  1.1495  0.5275
        3  1.1252  0.5274  1.0820  0.5592
        4  1.0729  0.5509  1.0475  0.5717
        5  1.0138  0.5922  0.9779  0.5950
        6  0.9933  0.5913  0.9508  0.6217
        7  0.9453  0.6320  0.9555  0.6117
        8  0.9049  0.6468  0.9354  0.6458""",
    "note001": """
         1  27.5400     0.2361  2.1541  0.0750
         2  1.4595      0.3083  1.5361  0.2250
         3  1.3308      0.5194  1.4175  0.4250
        24  1.1731e-04  1.0000  3.4437  0.3500
        25  1.0730e-04  1.0000  3.4645  0.3500""",
    "note002": """
         1  2.2991  0.1497  2.2129  0.3398
         2  1.9405  0.4127  1.4555  0.4709
         3  1.0894  0.6309  0.7665  0.7233
         4  0.7858  0.7267  0.6319  0.7937
         5  0.6190  0.7879  0.5539  0.8107
         6  0.5141  0.8315  0.4943  0.8568
         7  0.4328  0.8606  0.4560  0.8592
         8  0.3697  0.8885  0.5024  0.8374
         9  0.3116  0.9012  0.3775  0.8714
        10  0.2359  0.9267  0.4094  0.8738
        11  0.2333  0.9261  0.3838  0.8714
        12  0.1801  0.9552  0.4281  0.8568
        13  0.1717  0.9533  0.4085  0.8714
        14  0.1442  0.9624  0.3687  0.8786
        15  0.1246  0.9667  0.4104  0.8859
        16  0.0944  0.9770  0.3912  0.8883
        17  0.0850  0.9770  0.3219  0.8932
        18  0.0639  0.9861  0.3256  0.8981
        19  0.0319  0.9952  0.3040  0.9053
        20  0.0235  0.9964  0.3312  0.9053""",
    "note002-decay": """
        1  2.6153  0.1394  2.2455  0.3252
        2  1.8071  0.3891  1.0810  0.6359
        3  0.9437  0.6848  0.7610  0.7573
        4  0.7181  0.7612  0.7087  0.7500
        5  0.5762  0.8079  0.6989  0.7573
        6  0.5669  0.7994  0.4881  0.8422
        7  0.4315  0.8576  0.5718  0.8107
        8  0.3667  0.8776  0.4507  0.8544""",
    "note002-slow": """
        1  2.3116  0.1055  2.2941  0.1068
        2  2.2615  0.2588  2.2078  0.4248
        3  2.0607  0.4933  1.8326  0.5194
        4  1.4571  0.6212  1.1043  0.6214
        5  0.9077  0.7006  0.7173  0.7476
        6  0.6886  0.7745  0.6401  0.7694
        7  0.6020  0.8055  0.5873  0.8083
        8  0.5257  0.8370  0.5730  0.8034""",
    "note003": """
         1  0.3072  0.9066  0.2882  0.9127
         2  0.0195  0.9937  0.3995  0.9095
         3  0.0102  0.9965  0.3287  0.9223
         4  0.0077  0.9974  0.2268  0.9516
         5  0.0076  0.9982  0.3375  0.9165
         6  0.0069  0.9983  0.2774  0.9495
         7  0.0028  0.9992  0.3765  0.9413
         8  0.0037  0.9993  0.1556  0.9787
         9  0.0029  0.9993  0.3367  0.9561
        10  0.0025  0.9994  0.2632  0.9501""",
    "note004": """
         1  0.2240  0.9348  0.0599  0.9820
         2  0.0591  0.9821  0.0449  0.9860
         3  0.0430  0.9868  0.0379  0.9868
         4  0.0331  0.9898  0.0374  0.9881
         5  0.0260  0.9919  0.0346  0.9889
         6  0.0210  0.9935  0.0333  0.9887
         7  0.0176  0.9947  0.0318  0.9897
         8  0.0138  0.9956  0.0308  0.9905
         9  0.0101  0.9968  0.0321  0.9910
        10  0.0104  0.9967  0.0318  0.9901""",
}

#: What note 001's `evaluate` returned, and the loss in its progress line; what note 002's two evaluations printed.
EVALUATED = {"note001": (2.738503, 0.55), "note002": (0.4338, 0.8568), "note002-slow": (0.5730, 0.8034)}
PROGRESS_LINE = 5.2441
