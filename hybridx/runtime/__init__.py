"""Model files executed: in ONNX Runtime or torch, or with the circuits on a PennyLane device."""

from typing import TYPE_CHECKING

from hybridx.first_use import on_first_use

if TYPE_CHECKING:
    from hybridx.runtime.circuits.agreement import Agreement
    from hybridx.runtime.circuits.compiling import compile_again, compiled_circuit
    from hybridx.runtime.circuits.layers import (
        circuits_alone,
        compiled_layers,
        device_layers,
        layer_names,
    )
    from hybridx.runtime.devices import (
        DeviceStatus,
        check_device_name,
        device_names,
        device_statuses,
    )
    from hybridx.runtime.engines import check_bodies
    from hybridx.runtime.execution import (
        ENGINES,
        ONNX,
        PROVIDERS,
        Execution,
        Options,
        check_execution,
        is_several,
    )
    from hybridx.runtime.foreign import ForeignModel, load_other
    from hybridx.runtime.given import as_array, check_spec, fit
    from hybridx.runtime.onnx import available_providers
    from hybridx.runtime.pennylane import gate_operator, measurement_process
    from hybridx.runtime.secrets import scrub
    from hybridx.runtime.session import (
        Session,
        Usage,
        agreements_of,
        check_budget,
        counting_session,
        execution_of,
        is_dry,
        keep_results,
        load,
        load_vouching,
        model_digest,
        named_arrays,
        probing_session,
        record_circuits,
        sending_executor,
        share_results,
        start_session,
        uses_device,
    )
    from hybridx.runtime.several import Price, devices_apart
    from hybridx.runtime.slices import (
        Runner,
        rows_from,
        rows_of,
        run_slice,
        running_here,
        sliced_inputs,
    )
    from hybridx.runtime.submission.journal import (
        Journal,
        RunIdentity,
        check_no_partial,
        digest,
        partial_path,
    )
    from hybridx.runtime.submission.shared_journal import SharedJournal
    from hybridx.runtime.submission.tally import Tally
    from hybridx.runtime.workers.pool import Pool, Ran, Team, share_of_cores
else:
    __getattr__, __dir__ = on_first_use(__name__)

__all__ = [
    "ENGINES",
    "ONNX",
    "PROVIDERS",
    "Agreement",
    "DeviceStatus",
    "Execution",
    "ForeignModel",
    "Journal",
    "Options",
    "Pool",
    "Price",
    "Ran",
    "RunIdentity",
    "Runner",
    "Session",
    "SharedJournal",
    "Tally",
    "Team",
    "Usage",
    "agreements_of",
    "as_array",
    "available_providers",
    "check_bodies",
    "check_budget",
    "check_device_name",
    "check_execution",
    "check_no_partial",
    "check_spec",
    "circuits_alone",
    "compile_again",
    "compiled_circuit",
    "compiled_layers",
    "counting_session",
    "device_layers",
    "device_names",
    "device_statuses",
    "devices_apart",
    "digest",
    "execution_of",
    "fit",
    "gate_operator",
    "is_dry",
    "is_several",
    "keep_results",
    "layer_names",
    "load",
    "load_other",
    "load_vouching",
    "measurement_process",
    "model_digest",
    "named_arrays",
    "partial_path",
    "probing_session",
    "record_circuits",
    "rows_from",
    "rows_of",
    "run_slice",
    "running_here",
    "scrub",
    "sending_executor",
    "share_of_cores",
    "share_results",
    "sliced_inputs",
    "start_session",
    "uses_device",
]
