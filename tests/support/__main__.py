"""Write `docs/support.md`: `python -m tests.support`."""

from tests.support.document import PATH, document

if __name__ == "__main__":
    PATH.write_text(document(), encoding="utf-8")
    print(PATH)
