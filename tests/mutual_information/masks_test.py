import numpy as np

from keras_dim.mutual_information import masks


def test_the_own_image_is_the_one_in_the_same_row():
    mask = masks.same_image(np.zeros((3, 2)), np.zeros((3, 5, 2)))
    np.testing.assert_array_equal(mask, np.eye(3))
