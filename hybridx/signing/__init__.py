"""Model files signed with a key, and their signatures verified, by OpenSSF model-signing."""

from typing import TYPE_CHECKING

from hybridx.first_use import on_first_use

if TYPE_CHECKING:
    from hybridx.signing.signatures import Signed, check_signature, sign_file, signature_path
else:
    __getattr__, __dir__ = on_first_use(__name__)

__all__ = ["Signed", "check_signature", "sign_file", "signature_path"]
