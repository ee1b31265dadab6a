"""The log of a run is continued; other files are refused."""

import pytest

from keras_dim.training.epoch_log import EpochLog

WHOLE = "epoch,loss\n1,2.5\n2,nan\n"


def test_a_log_continues_after_the_epochs_that_are_done(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(WHOLE)
    log = EpochLog(path, 8, num_epochs_done=1)
    log.on_epoch_begin(1)
    log.on_epoch_end(1, {"loss": 2.0})

    lines = path.read_text().splitlines()
    assert lines[0] == "epoch,loss,seconds,images_per_second"
    assert [line.split(",")[:2] for line in lines[1:]] == [
        ["1", "2.5"],
        ["2", "2.0"],
    ]


@pytest.mark.parametrize(
    "text",
    [
        # Without the column "epoch".
        WHOLE.replace("epoch", "dpoch"),
        WHOLE.replace("1,", "nan,"),
        WHOLE.replace("2.5", "2.5,3"),
        WHOLE.replace(",2.5", ""),
        WHOLE.replace("2.5", "a\0"),
        WHOLE.replace("2.5", "\udcff"),
    ],
)
def test_a_file_that_is_no_log_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "log.csv"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(ValueError, match="not the log of a run") as error:
        EpochLog(path, 8, num_epochs_done=2)
    assert str(error.value).isprintable()
