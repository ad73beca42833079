"""The API: results as of the command line, jobs, events, tiles, masks, zip, models, figures."""

from __future__ import annotations

import io
import json
import socket
import time
import zipfile
from http.client import HTTPResponse

import numpy as np
import pytest
from PIL import Image

from sparsesr.cli.main import main
from sparsesr.engine.upscaler import Upscaler
from sparsesr.image.decode import decode
from sparsesr.serve.savings import Savings
from support.sites import encoded, eventually, pixels
from support.tiny_models import photo, tiny


def job_of(site, data: bytes, **options) -> dict:
    """Start a job and wait for its end."""
    answer = site.client.post("/v1/jobs", content=data, params={"model": "tiny", **options})
    assert answer.status_code == 202, answer.text
    return ended(site, answer.json()["id"])


def ended(site, job_id: str) -> dict:
    states = []

    def is_over() -> bool:
        states.append(site.client.get(f"/v1/jobs/{job_id}").json())
        return states[-1]["state"] in ("done", "failed", "cancelled")

    assert eventually(is_over, 60)
    return states[-1]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"effort": "0.8"},
        {"scale": "1.5", "format": "webp", "lossless": "true"},
        {"width": "40", "format": "jpg", "quality": "80"},
        {"fit": "50x50", "depth": "16", "precision": "fp32"},
    ],
    ids=str,
)
def test_a_result_is_that_of_the_command_line(site, tmp_path, options):
    """Byte for byte, at once and as a job."""
    data = encoded()
    (tmp_path / "photo.png").write_bytes(data)
    arguments = [f"--{name}" + ("" if value == "true" else f"={value}") for name, value in options.items()]
    suffix = options.get("format", "png")
    target = tmp_path / f"out.{suffix}"
    assert (
        main(
            ["upscale", str(tmp_path / "photo.png"), "-n", "tiny", "-j1", "-q", "-o", str(target), *arguments]
        )
        == 0
    )
    answer = site.client.post(
        "/v1/upscale", content=data, params={"model": "tiny", "name": "photo.png", **options}
    )
    assert (answer.status_code, answer.content) == (200, target.read_bytes())
    job = job_of(site, data, name="photo.png", **options)
    result = site.client.get(f"/v1/jobs/{job['id']}/result")
    assert result.content == target.read_bytes()
    assert int(result.headers["content-length"]) == job["result"]["bytes"] == target.stat().st_size


def test_a_result_is_named_as_the_command_line_would(site):
    answer = site.client.post(
        "/v1/upscale", content=encoded(format="JPEG"), params={"model": "tiny", "name": "a b.jpeg"}
    )
    assert 'filename="a b_x2.jpeg"' in answer.headers["content-disposition"]
    assert answer.headers["content-type"] == "image/jpeg"
    answer = site.client.post(
        "/v1/upscale", content=encoded(), params={"model": "tiny", "name": "../../étc/pässwd.gif"}
    )
    assert "filename*=UTF-8''p%C3%A4sswd_x2.png" in answer.headers["content-disposition"]


def test_what_is_asked_at_once_leaves_nothing(site):
    before = site.service.store.used_bytes
    assert site.post("/v1/upscale?model=tiny", encoded()).status_code == 200
    assert eventually(lambda: site.service.store.used_bytes <= before)


def test_events_tell_of_progress_and_the_end(site):
    started = site.post("/v1/jobs?model=tiny", encoded(200, 300)).json()
    events = []
    with site.client.stream("GET", "/v1/events", params={"job": [started["id"], "no\nsuch"]}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("event: "):
                events.append([line[7:]])
            elif line.startswith("data: "):
                events[-1].append(json.loads(line[6:]))
    kinds = [kind for kind, _ in events]
    assert kinds[-1] == "end" and ["gone", {"id": "nosuch"}] in events
    jobs = [data for kind, data in events if kind == "job"]
    progress = [job["progress"] for job in jobs]
    assert jobs[-1]["state"] == "done" and progress[-1] == 1 and progress == sorted(progress)


def test_tiles_show_the_result_exactly(site):
    job = job_of(site, encoded(300, 40))
    result = pixels(site.client.get(f"/v1/jobs/{job['id']}/result").content)
    view = job["result"]["view"]
    assert view == {"tile_px": 512, "levels": [[80, 600], [40, 300]]}
    tiles = [pixels(site.client.get(f"/v1/jobs/{job['id']}/tiles/0/0/{row}").content) for row in (0, 1)]
    np.testing.assert_array_equal(np.concatenate(tiles), result)
    half = pixels(site.client.get(f"/v1/jobs/{job['id']}/tiles/1/0/0").content)
    means = result.reshape(300, 2, 40, 2, 3).mean(axis=(1, 3))
    assert np.abs(half - means).max() <= 0.5
    for place in ("2/0/0", "0/1/0", "0/0/2", "-1/0/0", "0/0/-1", "0/0/99999999999999999999"):
        assert site.client.get(f"/v1/jobs/{job['id']}/tiles/{place}").status_code == 404
    assert site.client.get(f"/v1/jobs/{job['id']}/tiles/x/0/0").status_code == 400


def test_the_mask_shows_where_the_network_worked(site):
    job = job_of(site, encoded(40, 60))
    masks = Upscaler(tiny(), threads=1)(photo(40, 60)).masks
    share = np.mean(masks, axis=0)
    drawn = pixels(site.client.get(f"/v1/jobs/{job['id']}/mask/0/0/0").content)
    assert drawn.shape == (40, 60, 4)
    order = np.argsort(share.ravel(), kind="stable")
    assert (np.diff(drawn[..., 0].ravel()[order].astype(int)) >= 0).all()
    assert len(np.unique(drawn[..., 0])) == len(np.unique(share))
    facts = site.client.get(f"/v1/jobs/{job['id']}/savings").json()
    assert facts["modules"] == pytest.approx([mask.mean() for mask in masks])
    assert facts["share_skipped"] == pytest.approx(1 - facts["macs"] / facts["macs_dense"])
    assert facts["ms_saved"] == pytest.approx(facts["ms_dense"] - facts["ms"]) and facts["ms"] > 0


def test_a_preview_is_a_part_upscaled(site):
    image = site.post("/v1/images", encoded(50, 70, channels=4)).json()
    assert (image["width"], image["height"], image["has_alpha"]) == (70, 50, True)
    part = {"left": 11, "top": 7, "right": 60, "bottom": 41, "effort": 0.2, "model": "tiny"}
    answer = site.client.get(f"/v1/images/{image['id']}/preview", params=part)
    expected = Upscaler(tiny(), threads=1)(photo(50, 70, channels=4)[7:41, 11:60], effort=0.2).image
    np.testing.assert_array_equal(pixels(answer.content), expected)
    sizes = ({"width": 200}, {"height": 40}, {"fit": "50x50"})  # of the whole image, not of a part
    for wrong in ({"right": 71}, {"left": -1}, {"bottom": 7}, *sizes):
        assert (
            site.client.get(f"/v1/images/{image['id']}/preview", params={**part, **wrong}).status_code == 400
        )


@pytest.mark.parametrize(("quality", "model"), [(60, "photo_x2"), (98, "skim_fast_x2")])
def test_job_preview_and_savings_take_the_default_model_for_the_file(site, quality, model):
    data = io.BytesIO()
    Image.fromarray(photo(50, 70)).save(data, "JPEG", quality=quality)
    image = site.post("/v1/images", data.getvalue()).json()
    part = {"left": 0, "top": 0, "right": 70, "bottom": 50}
    preview = site.client.get(f"/v1/images/{image['id']}/preview", params=part)
    expected = Upscaler(model, threads=1)(decode(data.getvalue()).rgb)
    np.testing.assert_array_equal(pixels(preview.content), expected.image)
    started = site.client.post("/v1/jobs", params={"image": image["id"]})
    job = ended(site, started.json()["id"])
    assert job["result"]["record"]["passes"] == [{"model": model, "scale": 2}]
    facts = site.client.get(f"/v1/jobs/{job['id']}/savings").json()
    assert facts["macs_dense"] == expected.stats.macs_dense and facts["ms"] > 0


def test_savings_are_measured_with_the_effort_that_a_target_chose(site, monkeypatch):
    measured = []

    def measure(upscaler, image, effort, network_ms, task):
        measured.append((effort, network_ms))
        return Savings(network_ms, 2 * network_ms, 1)

    monkeypatch.setattr("sparsesr.serve.service.measure_savings", measure)
    job = job_of(site, encoded(40, 60), target_ms=0.001)
    record = job["result"]["record"]
    assert site.client.get(f"/v1/jobs/{job['id']}/savings").json()["ms_saved"] > 0
    assert measured == [(0.0, 1000 * record["network_seconds"])] and record["effort"] == 0.0


def test_several_jobs_of_one_image_and_their_zip(site):
    image = site.post("/v1/images?name=a.png", encoded()).json()
    ids = []
    for effort in (0.1, 0.9):
        query = f"/v1/jobs?image={image['id']}&model=tiny&effort={effort}"
        ids.append(site.post(query).json()["id"])
    assert [ended(site, each)["state"] for each in ids] == ["done", "done"]
    answer = site.client.get("/v1/results.zip", params={"job": ids})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a_x2.png", "a_x2 (2).png"]
        for name, each in zip(archive.namelist(), ids, strict=True):
            assert archive.read(name) == site.client.get(f"/v1/jobs/{each}/result").content


@pytest.mark.parametrize("what", ["result", "zip"])
def test_who_is_being_sent_a_result_gets_all_of_it(site, what):
    """Even if it is deleted meanwhile; its bytes are dropped at the end."""
    before = site.service.store.used_bytes
    job = job_of(site, encoded(500, 800), format="tif", depth=16)
    result = site.client.get(f"/v1/jobs/{job['id']}/result").content
    path = f"/v1/jobs/{job['id']}/result" if what == "result" else f"/v1/results.zip?job={job['id']}"
    with socket.create_connection(("127.0.0.1", site.port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        answer = HTTPResponse(connection)
        answer.begin()
        assert site.client.delete(f"/v1/jobs/{job['id']}").status_code == 204
        assert site.service.store.used_bytes >= len(result)
        data = answer.read()
    if what == "zip":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data = archive.read(archive.namelist()[0])
    assert len(data) == len(result) and data == result
    assert eventually(lambda: site.service.store.used_bytes <= before)


def test_a_job_can_be_cancelled_while_it_waits_and_while_it_runs(site):
    large = encoded(700, 1000)
    running, waiting = (site.post("/v1/jobs?model=tiny&scale=2", large).json()["id"] for _ in range(2))
    assert site.client.get(f"/v1/jobs/{running}/result").status_code == 409
    assert site.client.get(f"/v1/jobs/{waiting}").json()["before"] >= 1
    for each in (waiting, running):
        assert site.client.delete(f"/v1/jobs/{each}").status_code == 204
        assert site.client.get(f"/v1/jobs/{each}").status_code == 404
    assert eventually(lambda: not site.service.job_lane.is_busy, 10)


def test_models_health_and_figures(site):
    models = {model["name"]: model for model in site.client.get("/v1/models").json()}
    assert models["tiny"]["scales"] == [2] and models["tiny"]["has_masks"]
    assert sum(model["is_default"] for model in models.values()) == 1
    assert site.client.get("/healthz").json()["status"] == "ok"
    site.client.get("/nowhere/at/all")
    figures = site.client.get("/metrics").text
    assert 'sparsesr_requests_total{route="none",status="404"}' in figures
    assert "nowhere" not in figures
    assert 'sparsesr_jobs_total{ending="done",kind="job"}' in figures


def test_head_is_answered_as_get_without_the_body(site):
    job = job_of(site, encoded())
    for path in ("/", "/healthz", f"/v1/jobs/{job['id']}/result"):
        head, get = site.client.head(path), site.client.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))
    assert site.client.head("/v1/upscale").status_code == 405


def test_everything_disappears_when_it_is_deleted(site):
    job = job_of(site, encoded(300, 300))
    image = site.client.get(f"/v1/images/{job['image']}")
    assert image.status_code == 200
    used = site.service.store.used_bytes
    site.client.delete(f"/v1/jobs/{job['id']}")  # and with it the image that came with it
    assert site.service.store.used_bytes < used
    assert site.client.get(f"/v1/images/{job['image']}").status_code == 404


def test_results_that_nobody_asks_for_expire(site):
    job = job_of(site, encoded(seed=5))
    for shelf in (site.service.jobs, site.service.images):
        shelf._clock = lambda: time.monotonic() + 3600
    try:
        site.service.sweep()
    finally:
        for shelf in (site.service.jobs, site.service.images):
            shelf._clock = time.monotonic
    assert site.client.get(f"/v1/jobs/{job['id']}").status_code == 404
    assert site.is_empty()


def test_an_image_outlives_its_jobs_but_not_a_job_its_image(site):
    image = site.post("/v1/images", encoded()).json()
    job = site.post(f"/v1/jobs?image={image['id']}&model=tiny").json()
    ended(site, job["id"])
    site.client.delete(f"/v1/jobs/{job['id']}")
    assert site.client.get(f"/v1/images/{image['id']}").status_code == 200
    site.client.delete(f"/v1/images/{image['id']}")
    refused = site.post(f"/v1/jobs?image={image['id']}&model=tiny")
    assert refused.status_code == 404 and "expired" in refused.json()["error"]["message"]


def test_an_unforeseen_error_is_answered_with_the_headers(site, monkeypatch):
    monkeypatch.setattr(site.service.metrics, "text", lambda: 1 / 0)
    answer = site.client.get("/metrics")
    assert answer.status_code == 500 and answer.json()["error"]["code"] == "internal"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_description_of_the_api_names_every_option_of_upscale(site):
    operation = site.client.get("/openapi.json").json()["paths"]["/v1/upscale"]["post"]
    names = {parameter["name"] for parameter in operation["parameters"]}
    assert names == {
        *(
            "name",
            "model",
            "scale",
            "width",
            "height",
            "fit",
            "precision",
            "inference",
            "effort",
            "target_ms",
        ),
        *("format", "quality", "depth", "lossless", "strip"),
    }
