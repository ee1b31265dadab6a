"""The client's errors and retries when a server fails."""

import gzip
import socket
import threading
import time
import types

import numpy as np
import pytest
from serving.conformance_server import HTTP_STATUS
from serving.conformance_server import ConformanceServer
from serving.conformance_server import Model
from serving.conformance_server import hang_up
from serving.conformance_server import refuse
from serving.conformance_server import wait
from serving.conftest import free_port
from tiny_encoder import pixels

from keras_dim import serving
from keras_dim.serving import transport


@pytest.fixture
def images():
    return pixels(np.random.default_rng(0), 4)


@pytest.fixture
def waits(monkeypatch):
    """Records the client's waits between retries, in seconds; skips them."""
    waited = []
    monkeypatch.setattr(transport.random, "uniform", lambda low, high: low)
    monkeypatch.setattr(
        transport,
        "time",
        types.SimpleNamespace(monotonic=time.monotonic, sleep=waited.append),
    )
    return waited


@pytest.fixture
def raw_server():
    """Starts a server that calls a function with each connection."""
    opened = []

    def start(talk):
        listening = socket.create_server(("127.0.0.1", 0))
        opened.append(listening)

        def run():
            try:
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        talk(connection)
            except OSError:
                # The test is over.
                return

        threading.Thread(target=run, daemon=True).start()
        return f"127.0.0.1:{listening.getsockname()[1]}"

    yield start
    for listening in opened:
        # Only this wakes a thread that accepts.
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def test_requests_to_an_unavailable_server_are_retried(
    server, host, images, waits
):
    server.answer_next(*[refuse("UNAVAILABLE")] * 9)

    found = serving.Client(host, "tiny").embed(images, "fc")

    assert found.shape == (4, 6)
    assert server.calls["Predict"] == 10
    # 13 seconds, of a timeout of 60.
    assert waits == pytest.approx(
        [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.5, 2.5, 2.5]
    )


def test_retries_stop_at_max_retries(server, host, images, waits):
    server.answer_next(*[refuse("UNAVAILABLE", "queue is full")] * 9)

    with pytest.raises(
        serving.UnavailableError, match="attempts: 4.*queue is full"
    ):
        serving.Client(host, "tiny", max_retries=3).embed(images)
    assert server.calls["Predict"] == 4


def test_retries_stop_at_the_timeout(server, host, images):
    server.answer_next(*[refuse("UNAVAILABLE")] * 99)
    client = serving.Client(host, "tiny", timeout=1.0)
    client.metadata()
    start = time.monotonic()

    with pytest.raises(serving.UnavailableError, match="within 1 seconds"):
        client.embed(images)
    # 99 retries would take minutes.
    assert time.monotonic() - start < 3
    assert 2 <= server.calls["Predict"] <= 7


@pytest.mark.parametrize("code", sorted(set(HTTP_STATUS) - {"UNAVAILABLE"}))
def test_other_failures_are_not_retried(server, host, images, waits, code):
    server.answer_next(refuse(code, "once is enough"))

    with pytest.raises(serving.ServerError, match="once is enough") as caught:
        serving.Client(host, "tiny").embed(images)
    assert server.calls["Predict"] == 1
    assert waits == []
    # Two codes of gRPC may share a status of HTTP.
    assert HTTP_STATUS[caught.value.code] == HTTP_STATUS[code]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("NOT_FOUND", serving.ModelNotFoundError),
        ("INVALID_ARGUMENT", serving.RequestRefusedError),
        ("DEADLINE_EXCEEDED", serving.ServerDeadlineError),
        ("RESOURCE_EXHAUSTED", serving.UnavailableError),
        ("PERMISSION_DENIED", serving.UnexpectedAnswerError),
    ],
)
def test_each_failure_has_its_error(server, host, images, code, error):
    server.answer_next(refuse(code))

    with pytest.raises(error):
        serving.Client(host, "tiny").embed(images)


def test_versions_are_left_out_of_the_message_if_unknown(server, host, images):
    client = serving.Client(host, "tiny", max_retries=0)
    client.metadata()
    server.answer_next(refuse("NOT_FOUND"))
    server.get_model_status = lambda request: refuse("INTERNAL")()
    try:
        with pytest.raises(serving.ModelNotFoundError) as caught:
            client.embed(images)
    finally:
        del server.get_model_status
    assert "Versions" not in str(caught.value)


def test_a_slow_answer_is_a_deadline_error(server, host, images):
    server.answer_next(wait(2.0))
    client = serving.Client(host, "tiny", timeout=0.3)
    client.metadata()
    start = time.monotonic()

    with pytest.raises(serving.ServerDeadlineError, match="within 0.3 sec"):
        client.embed(images)
    assert time.monotonic() - start < 1.7
    assert isinstance(serving.ServerDeadlineError("x"), TimeoutError)


def test_the_timeout_is_for_each_batch(server, host, images, monkeypatch):
    client = serving.Client(host, "tiny", batch_size=2, timeout=60)
    predict = client._transport.predict
    left = []
    monkeypatch.setattr(
        client._transport,
        "predict",
        lambda *arguments: left.append(arguments[-1]) or predict(*arguments),
    )
    server.answer_next(wait(0.3))
    client.embed(images)

    # Else the second batch would have 0.3 seconds less.
    assert left == pytest.approx([60, 60], abs=0.2)


@pytest.mark.parametrize(
    ("first", "again"),
    [
        # An endless body, an endless header, endless interim answers.
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
def test_a_server_that_sends_byte_by_byte_meets_the_deadline(
    raw_server, first, again
):
    def trickle(connection):
        connection.recv(4096)
        connection.sendall(first)
        for _ in range(40):
            time.sleep(0.05)
            connection.sendall(again)

    host = f"http://{raw_server(trickle)}"
    start = time.monotonic()

    with pytest.raises(serving.ServerDeadlineError):
        serving.Client(host, "tiny", timeout=0.3).status()
    assert time.monotonic() - start < 1.7


def test_a_refused_connection_is_retried(protocol, waits):
    address = f"127.0.0.1:{free_port()}"
    host = address if protocol == "grpc" else f"http://{address}"

    with pytest.raises(serving.UnavailableError, match="attempts: 3"):
        serving.Client(host, "tiny", max_retries=2).status()
    assert len(waits) == 2


def test_a_server_that_starts_during_the_retries_is_found(protocol, models):
    ports = {"grpc_port": free_port(), "rest_port": free_port()}
    host = {
        "grpc": f"127.0.0.1:{ports['grpc_port']}",
        "rest": f"http://127.0.0.1:{ports['rest_port']}",
    }[protocol]
    started = []
    mean = {"mean": models["mean"]}
    timer = threading.Timer(
        0.3, lambda: started.append(ConformanceServer(mean, **ports))
    )
    timer.start()
    try:
        client = serving.Client(host, "mean", timeout=20)

        assert client.status() == {1: "AVAILABLE", 2: "AVAILABLE"}
    finally:
        timer.join()
        started[0].close()


def test_a_server_that_dies_during_a_request_is_unavailable(
    protocol, models, images
):
    dying = ConformanceServer({"mean": models["mean"]})
    client = serving.Client(getattr(dying, protocol), "mean", max_retries=1)
    client.metadata()
    # By gRPC the whole server ends, by REST the connection.
    dying.answer_next(
        hang_up
        if protocol == "rest"
        else lambda: (threading.Thread(target=dying.close).start(), wait(1)())
    )
    try:
        with pytest.raises(serving.UnavailableError):
            client.embed(images)
    finally:
        dying.close()


def test_the_error_of_a_large_batch_names_the_size_that_fits(server, host):
    images = np.full((4, 50, 50, 3), 255, "uint8")
    # JSON has four bytes for each of 7,500 numbers, and brackets.
    row = 7_500 if host == server.grpc else 4 * 7_500 + 2 * (1 + 50 + 2_500)
    client = serving.Client(host, "tiny", max_message_bytes=4 * row - 1)

    with pytest.raises(
        serving.MessageTooLargeError, match="Pass batch_size=3"
    ) as caught:
        client.embed(images)
    assert caught.value.batch_size == 3
    assert server.calls["Predict"] == 0
    client.batch_size = 3
    assert client.embed(images, "fc").shape == (4, 6)


def test_a_single_image_that_is_too_large_is_refused(host):
    client = serving.Client(host, "tiny", max_message_bytes=20_000)

    with pytest.raises(serving.MessageTooLargeError, match="Not one image"):
        client.embed(np.zeros((1, 100, 100, 3), "uint8"))


def test_the_error_of_large_files_names_the_size_that_fits(server, host):
    # Room for two of 10,000 bytes. base64 writes 4 bytes for 3.
    limit = 25_000 if host == server.grpc else 32_000
    client = serving.Client(host, "tiny", max_message_bytes=limit)

    with pytest.raises(serving.MessageTooLargeError) as caught:
        client.embed_encoded([b"0" * 10_000] * 4)
    assert caught.value.batch_size == 2


def test_the_limit_of_a_server_gives_the_size_that_fits(models, images):
    limited = ConformanceServer({"tiny": models["tiny"]}, max_message_bytes=700)
    with limited as server:
        client = serving.Client(server.grpc, "tiny")
        with pytest.raises(serving.MessageTooLargeError) as caught:
            client.embed(images)
        fits = caught.value.batch_size
        assert 1 <= fits < 4
        smaller = serving.Client(server.grpc, "tiny", batch_size=fits)
        assert smaller.embed(images, "fc").shape == (4, 6)


def test_an_answer_that_is_too_large_is_refused(server, host):
    images = np.full((4, 50, 50, 1), 201, "uint8")
    # By gRPC, requests have 10,000 bytes and answers 40,000.
    limit = 30_000 if host == server.grpc else 52_000
    client = serving.Client(host, "pixels", max_message_bytes=limit)

    with pytest.raises(serving.MessageTooLargeError) as caught:
        client.embed(images)
    assert 1 <= caught.value.batch_size < 4


def test_the_batch_size_limit_of_a_server_is_named(server, host, images):
    # The message of the server's batch scheduler.
    words = "Task size 4 is larger than maximum input batch size 3"
    server.answer_next(refuse("INVALID_ARGUMENT", words))

    with pytest.raises(
        serving.RequestRefusedError, match=r"batch_size=3 \(--batch_size 3"
    ):
        serving.Client(host, "tiny").embed(images)


def test_the_message_of_a_rate_limit_is_shown(server, host, monkeypatch):
    refused = refuse("RESOURCE_EXHAUSTED", "so many a minute")
    monkeypatch.setattr(server, "get_model_status", lambda _: refused())

    with pytest.raises(serving.UnavailableError, match="so many a minute"):
        serving.Client(host, "tiny").status()


def test_a_lack_of_memory_is_not_a_large_message(server, host, images):
    words = "OOM when allocating tensor with shape[4,8,8,3]"
    server.answer_next(refuse("RESOURCE_EXHAUSTED", words))

    with pytest.raises(
        serving.UnavailableError, match="lower `batch_size`.*OOM when alloc"
    ) as caught:
        serving.Client(host, "tiny").embed(images)
    assert caught.value.code == "RESOURCE_EXHAUSTED"


def test_a_long_message_of_a_server_is_cut(server, host, images):
    server.answer_next(refuse("INVALID_ARGUMENT", "node " * 1000))

    with pytest.raises(serving.RequestRefusedError) as caught:
        serving.Client(host, "tiny").embed(images)
    assert len(str(caught.value)) < 1000


def test_each_call_reads_the_signatures_of_the_newest_version(
    models, folder, images
):
    with ConformanceServer({"swapped": models["tiny"]}) as server:
        client = serving.Client(server.grpc, "swapped")
        client.embed(images)
        server.serve("swapped", models["mean"])

        # Only the new version takes four channels.
        found = client.embed(np.ones((1, 2, 2, 4), "uint8"))
        np.testing.assert_array_equal(found["features"], [[2, 1]])


@pytest.fixture
def changing_server(folder):
    """A server of the first of two versions."""
    models = {"mean": Model(folder / "mean", (1,), {"stable": 1})}
    with ConformanceServer(models) as server:
        yield server


def ones(server, model):
    """Yields two batches; between them the server gets another model."""
    yield np.ones((1, 2, 2, 1), "uint8")
    server.serve("mean", model)
    yield np.ones((1, 2, 2, 1), "uint8")


@pytest.mark.parametrize("which", [{}, {"version": "stable"}])
def test_one_call_uses_one_version(changing_server, folder, protocol, which):
    both = Model(folder / "mean", (1, 2), {"stable": 2})
    host = getattr(changing_server, protocol)
    client = serving.Client(host, "mean", **which)

    found = client.embed(ones(changing_server, both), "features")
    np.testing.assert_array_equal(found, [[1, 1]] * 2)
    # The second call begins with the second version.
    found = client.embed(np.ones((1, 2, 2, 1), "uint8"), "features")
    np.testing.assert_array_equal(found, [[2, 1]])


def test_a_pinned_client_keeps_its_version(changing_server, folder, protocol):
    client = serving.Client(getattr(changing_server, protocol), "mean")
    pinned = client.pinned()
    found = [
        pinned.embed(images, "features")
        for images in ones(changing_server, Model(folder / "mean", (1, 2)))
    ]

    assert "'mean' in version 1" in repr(pinned)
    assert changing_server.calls["GetModelMetadata"] == 1
    np.testing.assert_array_equal(np.concatenate(found), [[1, 1]] * 2)


def test_a_version_that_is_unloaded_during_a_call_is_named(
    changing_server, folder, protocol
):
    client = serving.Client(getattr(changing_server, protocol), "mean")
    second = Model(folder / "mean", (2,))

    with pytest.raises(
        serving.ModelNotFoundError,
        match=r"'mean' in version 1 .*It did at first.*there: {2: 'AVAIL",
    ):
        client.embed(ones(changing_server, second))


def test_metadata_without_a_version_leave_the_newest(
    server, host, images, monkeypatch
):
    tell = server.get_model_metadata

    def tell_less(request):
        response = tell(request)
        response.model_spec.ClearField("version")
        return response

    monkeypatch.setattr(server, "get_model_metadata", tell_less)

    assert serving.Client(host, "tiny").embed(images, "fc").shape == (4, 6)


def test_damaged_metadata_by_grpc_are_refused(server, monkeypatch):
    tell = server.get_model_metadata

    def tell_damaged(request):
        response = tell(request)
        response.metadata["signature_def"].value = b"\x0a\xff"
        return response

    monkeypatch.setattr(server, "get_model_metadata", tell_damaged)

    with pytest.raises(
        serving.UnexpectedAnswerError, match="metadata cannot be read"
    ):
        serving.Client(server.grpc, "tiny").metadata()


@pytest.mark.parametrize(
    ("sizes", "num_bytes"), [((4, 6), 95), ((-4, -6), 96), ((2**40, 0), 96)]
)
def test_damaged_features_by_grpc_are_refused(
    server, monkeypatch, images, sizes, num_bytes
):
    predict = server.predict

    def predict_damaged(request):
        response = predict(request)
        for tensor in response.outputs.values():
            tensor.ClearField("float_val")
            tensor.ClearField("tensor_shape")
            tensor.tensor_content = bytes(num_bytes)
            for size in sizes:
                tensor.tensor_shape.dim.add(size=size)
        return response

    monkeypatch.setattr(server, "predict", predict_damaged)

    with pytest.raises(
        serving.UnexpectedAnswerError, match="feature 'fc' cannot be read"
    ):
        serving.Client(server.grpc, "tiny").embed(images, "fc")


def test_grpc_to_a_port_of_rest_is_named(server):
    with pytest.raises(serving.UnavailableError, match="does not speak gRPC"):
        serving.Client(
            server.rest.removeprefix("http://"), "tiny", max_retries=0
        ).status()


def test_rest_to_a_port_of_grpc_is_named(server):
    with pytest.raises(serving.UnavailableError, match="Does it serve REST"):
        serving.Client(f"http://{server.grpc}", "tiny").status()


def test_rest_to_another_web_server_is_named(server):
    with pytest.raises(
        serving.UnexpectedAnswerError, match="path before /v1 is /other.*404"
    ):
        serving.Client(f"{server.rest}/other", "tiny").status()


def test_an_answer_before_the_whole_request_is_read(raw_server):
    metadata = (
        b'{"metadata": {"signature_def": {"signature_def": {"encoded_images": '
        b'{"inputs": {"encoded_images": {"dtype": "DT_STRING", "tensor_shape": '
        b'{"dim": [{"size": "-1"}]}}}}}}}}'
    )

    def talk(connection):
        is_get = connection.recv(4096).startswith(b"GET")
        status, content = (
            (b"200 OK", metadata)
            if is_get
            else (b"413 Content Too Large", b"<h1>413</h1>")
        )
        # Closing with unread data resets the connection.
        connection.sendall(
            b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s"
            % (status, len(content), content)
        )

    client = serving.Client(f"http://{raw_server(talk)}", "tiny")

    # More than the system buffers.
    with pytest.raises(
        serving.MessageTooLargeError, match="status 413.*batch_size=1 "
    ) as caught:
        client.embed_encoded([bytes(8_000_000)] * 2)
    assert caught.value.code == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"model_version_status": 5}',
        b"\xff",
        pytest.param(b"[" * 200_000, id="nested"),
    ],
)
def test_an_invalid_answer_by_rest_is_refused(raw_server, content):
    def talk(connection):
        connection.recv(4096)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
            % (len(content), content)
        )

    with pytest.raises(serving.UnexpectedAnswerError):
        serving.Client(f"http://{raw_server(talk)}", "tiny").status()


SIGNATURE = (
    '{"inputs": {"encoded_images": {"dtype": "DT_STRING", "tensor_shape": '
    '{"dim": [{"size": "-1"}]}}}, "outputs": {"fc": {"dtype": "DT_FLOAT", '
    '"tensor_shape": {"dim": [{"size": "-1"}, {"size": "2"}]}}}}'
)
METADATA = (
    '{"model_spec": {"version": "1"}, "metadata": {"signature_def": '
    '{"signature_def": {"encoded_images": ' + SIGNATURE + "}}}}"
)


@pytest.fixture
def answered(monkeypatch):
    """Embeds a file by REST from given answers."""

    def embed(status, content, metadata=METADATA):
        client = serving.Client("http://127.0.0.1:1", "tiny")
        monkeypatch.setattr(
            client._transport,
            "_answer",
            lambda method, path, body, end: (
                (200, "OK", metadata.encode())
                if method == "GET"
                else (status, "OK", content.encode())
            ),
        )
        return client.embed_encoded([b"0"], "fc")

    return embed


@pytest.mark.parametrize(
    ("metadata", "content"),
    [
        (METADATA.replace('"2"', "Infinity"), ""),
        (METADATA.replace('"1"', "1e999"), ""),
        (METADATA, f'{{"outputs": [[1{"0" * 400}, 2]]}}'),
    ],
)
def test_infinite_and_huge_numbers_by_rest_are_refused(
    answered, metadata, content
):
    with pytest.raises(serving.UnexpectedAnswerError):
        answered(200, content, metadata)


def test_an_infinite_version_number_is_refused(monkeypatch):
    client = serving.Client("http://127.0.0.1:1", "tiny")
    content = b'{"model_version_status": [{"version": 1e999, "state": "END"}]}'
    monkeypatch.setattr(
        client._transport, "_answer", lambda *_: (200, "OK", content)
    )
    with pytest.raises(serving.UnexpectedAnswerError):
        client.status()


def test_numbers_too_large_for_32_bits_become_infinite(answered):
    found = answered(200, '{"outputs": [[1e300, 2]]}')
    np.testing.assert_array_equal(found, [[np.inf, 2]])


def test_a_size_of_0_in_the_message_is_no_division_by_0(answered):
    with pytest.raises(serving.MessageTooLargeError):
        answered(429, '{"error": "larger than max (0 vs. 4)"}')


def test_control_characters_of_a_server_are_escaped(answered):
    with pytest.raises(
        serving.RequestRefusedError, match=r"message: '\\x1b\[31mre\\u202ed'$"
    ):
        answered(400, r'{"error": "\u001b[31mre\u202ed"}')


def test_a_redirect_is_not_followed(raw_server):
    requests = []

    def talk(connection):
        requests.append(connection.recv(4096))
        connection.sendall(
            b"HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\n"
            b"Location: /v1/models/other\r\n\r\n"
        )

    with pytest.raises(serving.UnexpectedAnswerError, match="status 307"):
        serving.Client(f"http://{raw_server(talk)}", "tiny").status()
    assert len(requests) == 1


def test_an_endless_answer_is_refused_at_the_limit(raw_server):
    num_chunks = []

    def talk(connection):
        connection.recv(4096)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        while True:
            try:
                connection.sendall(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            except OSError:
                return
            num_chunks.append(1)

    host = f"http://{raw_server(talk)}"
    client = serving.Client(host, "tiny", max_message_bytes=10**6)

    with pytest.raises(serving.UnexpectedAnswerError, match="larger than max"):
        client.status()
    # 64 KiB each: no more than the system buffers.
    assert len(num_chunks) < 1000


def test_a_compressed_answer_is_read(raw_server):
    def talk(connection):
        connection.recv(4096)
        content = gzip.compress(
            b'{"model_version_status": [{"version": "3", "state": "END"}]}'
        )
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(content), content)
        )

    client = serving.Client(f"http://{raw_server(talk)}", "tiny")
    assert client.status() == {3: "END"}


def test_a_connection_is_used_once(raw_server):
    def talk(connection):
        connection.recv(4096)
        content = b'{"model_version_status": []}'
        # The headers promise to keep the connection.
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
            % (len(content), content)
        )

    client = serving.Client(f"http://{raw_server(talk)}", "tiny")
    for _ in range(20):
        assert client.status() == {}
        time.sleep(0.01)


def test_a_failed_request_leaves_the_client_usable(raw_server):
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b"no HTTP\r\n"]
    answers.append(b'HTTP/1.1 200 OK\r\n\r\n{"model_version_status": []}')

    def talk(connection):
        connection.recv(4096)
        connection.sendall(answers.pop(0))

    client = serving.Client(f"http://{raw_server(talk)}", "tiny")
    for _ in range(2):
        with pytest.raises(serving.UnavailableError):
            client.status()
    assert client.status() == {}


def test_a_closed_client_cannot_be_used(server, host):
    with serving.Client(host, "tiny") as client:
        client.status()

    with pytest.raises(ValueError, match="closed"):
        client.status()


def test_a_request_leaves_no_thread(server, images):
    before = set(threading.enumerate())
    client = serving.Client(server.rest, "tiny", max_retries=0)
    client.embed(images)
    with pytest.raises(serving.UnavailableError):
        serving.Client("http://127.0.0.1:1", "tiny", max_retries=0).status()

    left = set(threading.enumerate()) - before
    assert not [
        thread for thread in left if isinstance(thread, threading.Timer)
    ]


def test_an_incomplete_answer_is_refused(raw_server):
    def talk(connection):
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}")

    with pytest.raises(serving.UnavailableError, match="IncompleteRead"):
        serving.Client(f"http://{raw_server(talk)}", "tiny").status()


def test_rest_uses_the_path_of_a_proxy(models, images):
    served = {"mean": models["mean"]}
    with ConformanceServer(served, prefix="/team/a") as server:
        assert server.rest.endswith("/team/a")
        found = serving.Client(f"{server.rest}/", "mean").embed(images)

    assert found["features"].shape == (4, 2)


@pytest.mark.parametrize("name", ["größe", "a b", "a:1", "a/b", "100%25?#"])
def test_a_model_may_have_any_name(models, protocol, images, name):
    with ConformanceServer({name: models["mean"]}) as server:
        client = serving.Client(
            getattr(server, protocol), name, version="stable"
        )

        assert client.embed(images)["features"].shape == (4, 2)
