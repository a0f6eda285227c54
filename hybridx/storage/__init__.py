"""Files on disk: arrays and tables read and written, whole files put in place at once."""

from typing import TYPE_CHECKING

from hybridx.first_use import on_first_use

if TYPE_CHECKING:
    from hybridx.storage.arrays import read_arrays, read_whole_columns
    from hybridx.storage.files import (
        check_folder_writable,
        check_readable,
        check_writable,
        is_same_file,
        new_content,
        open_alone,
        open_file,
        read_bytes,
        recover,
        remove_alone,
        write_folder,
        write_from,
        write_together,
        write_whole,
    )
    from hybridx.storage.forms.choice import form_of, open_data, write_data
    from hybridx.storage.forms.csv import is_number, no_header
    from hybridx.storage.forms.form import (
        Array,
        ArrayData,
        Data,
        GivenArrays,
        GivenTable,
        InMemory,
        Kind,
        Outputs,
        Passing,
        Spec,
        TableData,
        column_names,
        listed,
        spec_of,
    )
    from hybridx.storage.forms.json import as_lists, spelled_numbers
    from hybridx.storage.forms.names import ENDINGS, PIPE, format_of, piping_to
    from hybridx.storage.kept_rows import KeptRows
    from hybridx.storage.locks import held, is_held, remove_held
    from hybridx.storage.renames import sync_folder
    from hybridx.storage.weights import read_weights
    from hybridx.storage.zipped import check_list, rezip, stored_members, unzip
else:
    __getattr__, __dir__ = on_first_use(__name__)

__all__ = [
    "ENDINGS",
    "PIPE",
    "Array",
    "ArrayData",
    "Data",
    "GivenArrays",
    "GivenTable",
    "InMemory",
    "KeptRows",
    "Kind",
    "Outputs",
    "Passing",
    "Spec",
    "TableData",
    "as_lists",
    "check_folder_writable",
    "check_list",
    "check_readable",
    "check_writable",
    "column_names",
    "form_of",
    "format_of",
    "held",
    "is_held",
    "is_number",
    "is_same_file",
    "listed",
    "new_content",
    "no_header",
    "open_alone",
    "open_data",
    "open_file",
    "piping_to",
    "read_arrays",
    "read_bytes",
    "read_weights",
    "read_whole_columns",
    "recover",
    "remove_alone",
    "remove_held",
    "rezip",
    "spec_of",
    "spelled_numbers",
    "stored_members",
    "sync_folder",
    "unzip",
    "write_data",
    "write_folder",
    "write_from",
    "write_together",
    "write_whole",
]
