"""Files on disk: arrays and tables read and written, whole files put in place at once."""

from typing import TYPE_CHECKING

from hybridx.first_use import on_first_use

if TYPE_CHECKING:
    from hybridx.storage.arrays import Array, encode_arrays, read_arrays, write_arrays
    from hybridx.storage.files import (
        check_folder_writable,
        check_readable,
        check_writable,
        read_bytes,
        write_folder,
        write_whole,
    )
    from hybridx.storage.table import Table, read_table
    from hybridx.storage.zipped import rezip, unzip
else:
    __getattr__, __dir__ = on_first_use(
        __name__,
        {
            "hybridx.storage.arrays": "Array encode_arrays read_arrays write_arrays",
            "hybridx.storage.files": (
                "check_folder_writable check_readable check_writable read_bytes write_folder "
                "write_whole"
            ),
            "hybridx.storage.table": "Table read_table",
            "hybridx.storage.zipped": "rezip unzip",
        },
    )

__all__ = [
    "Array",
    "Table",
    "check_folder_writable",
    "check_readable",
    "check_writable",
    "encode_arrays",
    "read_arrays",
    "read_bytes",
    "read_table",
    "rezip",
    "unzip",
    "write_arrays",
    "write_folder",
    "write_whole",
]
