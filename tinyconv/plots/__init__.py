"""Pictures of a training and of a trained network.

    a training   curves; confusion_matrix, most_confused, wrong_predictions
    a network    shapes; filters
    one image    feature_maps, feature_strip: what each layer makes of it
                 saliency, grad_cam: which pixels decide; saliency_map, grad_cam_map: the same as arrays

Every function that draws returns a Matplotlib figure, to be saved with ``figure.savefig("curves.png")`` or shown by a
notebook; ``figure.alt`` describes it in a sentence. None of them opens a window or changes a setting of Matplotlib.
Images are given as the network takes them: with pixels from 0 to 1 if it has learned from such.
"""

from tinyconv.curves import curves
from tinyconv.plots.attribution import grad_cam, grad_cam_map, saliency, saliency_map
from tinyconv.plots.classes import confusion_matrix, most_confused, wrong_predictions
from tinyconv.plots.kernels import filters
from tinyconv.plots.maps import feature_maps, feature_strip
from tinyconv.plots.network import shapes

__all__ = [
    "confusion_matrix",
    "curves",
    "feature_maps",
    "feature_strip",
    "filters",
    "grad_cam",
    "grad_cam_map",
    "most_confused",
    "saliency",
    "saliency_map",
    "shapes",
    "wrong_predictions",
]
