import keras
import numpy as np
import tiny_bank_method


def test_a_bank_and_an_average_are_resumed_to_the_bit(tmp_path):
    unbroken, broken = tiny_bank_method.make(), tiny_bank_method.make()
    tiny_bank_method.fit(unbroken, epochs=2)
    tiny_bank_method.fit(broken, epochs=1)
    broken.save(tmp_path / "method.keras")
    resumed = keras.models.load_model(tmp_path / "method.keras")
    tiny_bank_method.fit(resumed, epochs=1)
    for one, other in zip(resumed.weights, unbroken.weights, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=one.path)
