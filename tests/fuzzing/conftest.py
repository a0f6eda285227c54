"""What is no test here: `rotation.py` needs atheris, which `python -m tests.fuzzing` installs."""

collect_ignore = ["rotation.py"]
