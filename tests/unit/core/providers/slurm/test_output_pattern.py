"""The file name patterns of sbatch, expanded as Slurm expands them."""

from __future__ import annotations

from dataclasses import replace

from testbed.tables import each

from flow_core.providers.slurm.output_pattern import PatternValues, expand_output_pattern

JOB = PatternValues("128", user="ada", job_name="train 50%", node="node2")
ELEMENT = replace(JOB, job_id="131", array_id="128", array_index=13)


@each(
    ("pattern", "path"),
    [
        ("", "/work/slurm-128.out"),
        ("log", "/work/log"),
        ("/logs/log", "/logs/log"),
        ("logs/%x-%j.out", "/work/logs/train 50%-128.out"),
        ("%u@%N", "/work/ada@node2"),
        ("%A_%a", "/work/128_4294967294"),
        ("%n-%t", "/work/0-0"),
        ("%5j-%3n-%12j", "/work/00128-000-0000000128"),
        ("%5u", "/work/ada"),
        ("100%%_%j", "/work/100%_128"),
        ("%%j", "/work/%j"),
        ("%%%j", "/work/%128"),
        ("%y%", "/work/%y%"),
        ("%J-%3J-%3s", "/work/128-128-batch"),
        ("%15y_%5%-%5", "/work/5y_5%-5"),
        ("my log\\ %j", "/work/my log %j"),
        ("one\\\\%j", "/work/one\\%j"),
        ("'a\nb'", "/work/'a\nb'"),
    ],
)
def test_a_pattern_of_a_job_becomes_the_path_that_slurm_writes(pattern: str, path: str) -> None:
    assert expand_output_pattern(pattern, JOB, "/work") == path


@each(
    ("pattern", "path"),
    [
        ("", "/work/slurm-128_13.out"),
        ("%A-%a-%j", "/work/128-13-131"),
        ("%4A_%4a_%b", "/work/0128_0013_3"),
    ],
)
def test_an_element_of_an_array_has_its_own_path(pattern: str, path: str) -> None:
    assert expand_output_pattern(pattern, ELEMENT, "/work") == path
