"""Write the documents that follow from the code: `python -m tests.documents`."""

from tests.documents.generated import GENERATED

if __name__ == "__main__":
    for path, text in GENERATED.items():
        path.write_text(text(), encoding="utf-8")
        print(path)
