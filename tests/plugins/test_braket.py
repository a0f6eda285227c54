"""`pip install 'hybridx[braket]'`: local simulators, and the errors without an account."""

from __future__ import annotations

import numpy as np

from tests.plugins.sampled import FARTHEST, standard_errors

RUN = ("run", "model.onnx", "-i", "x.npy", "--json")
LOCAL = ("--device", "braket.local.qubit")
ARN = "device_arn=arn:aws:braket:::device/quantum-simulator/amazon/sv1"
SHOTS = 20_000


def test_the_local_simulator_gives_exact_values(braket, place):
    here = braket.hybridx("run", "deep.onnx", "-i", "x.npy", "--json", folder=place).json()
    words = ("run", "deep.onnx", "-i", "x.npy", "--json", *LOCAL)
    report = braket.hybridx(*words, folder=place).json()
    usage = report["usage"]
    assert (usage["device"], usage["shots"], usage["total_shots"]) == (LOCAL[1], None, 0)
    assert usage["submissions"] == 3
    np.testing.assert_allclose(report["outputs"]["y"], here["outputs"]["y"], rtol=0, atol=1e-5)


def test_the_local_simulator_samples_and_says_that_it_takes_no_seed(braket, place, exact):
    words = (*RUN, *LOCAL, "--shots", SHOTS, "--seed", 7)
    finished = braket.hybridx(*words, folder=place)
    report = finished.json()
    assert "braket.local.qubit takes no seed" in finished.talk
    usage = report["usage"]
    assert (usage["device"], usage["shots"]) == ("braket.local.qubit", SHOTS)
    assert (usage["circuits"], usage["total_shots"]) == (10, 10 * SHOTS)
    assert standard_errors(report["outputs"]["y"], exact, SHOTS).max() < FARTHEST


def test_repeats_give_standard_errors_that_follow_from_the_shots(braket, place, exact):
    words = (*RUN, *LOCAL, "--shots", 1000, "--repeats", 5)
    outputs = braket.hybridx(*words, folder=place).json()["outputs"]
    assert standard_errors(outputs["y"], exact, 5000).max() < FARTHEST
    ratios = np.array(outputs["y_standard_error"]) / np.sqrt((1 - exact**2) / 5000)
    # Four times the square of each has the chi-squared distribution of 4 degrees, and is out of
    # these bounds with probability 2e-8.
    assert 0.01 < ratios.min() <= ratios.max() < 3.4


def test_another_of_its_simulators_is_an_option(braket, place, exact):
    words = (*RUN, *LOCAL, "--option", "backend=braket_dm")
    report = braket.hybridx(*words, folder=place).json()
    np.testing.assert_allclose(report["outputs"]["y"], exact, rtol=0, atol=1e-5)


def test_without_an_account_it_says_where_one_is_looked_for(braket, place):
    words = (*RUN, "--device", "braket.aws.qubit", "--shots", 10)
    untold = braket.hybridx(*words, folder=place)
    assert f"give --option {ARN}" in untold.error("HX507")
    refused = braket.hybridx(*words, "--option", ARN, folder=place)
    assert "AWS_ACCESS_KEY_ID" in refused.error("HX506")
    taken = braket.hybridx(*words, "--option", ARN, "--fallback", LOCAL[1], folder=place)
    usage = taken.json()["usage"]
    assert (usage["device"], usage["requested"]) == ("braket.local.qubit", "braket.aws.qubit")


def test_doctor_sees_the_plug_in(braket, place):
    report = braket.hybridx("doctor", "--json", folder=place).json()
    devices = {device["name"]: device for device in report["devices"]}
    assert devices["braket.local.qubit"]["is_ready"]
    assert not devices["braket.aws.qubit"]["is_ready"]
    assert "AWS_ACCESS_KEY_ID" in devices["braket.aws.qubit"]["needs"]


def test_verify_finds_the_local_simulator_right(braket, place):
    words = ("verify", "model.onnx", *LOCAL, "--shots", SHOTS, "--significance", "1e-6", "--json")
    report = braket.hybridx(*words, folder=place).json()
    assert report["consistency"]["p_value"] > report["consistency"]["significance"] == 1e-6
    assert report["consistency"]["tests"] == 10
