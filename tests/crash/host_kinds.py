"""What is asked of a real host while its programs die, and how it is seen that it is done.

To add one: a row of VM_KINDS or STORAGE_KINDS. `prepare` brings the lab (a HostTest) to where the
request can be made and puts what it made into lab.facts; `begin` makes the request; `state` says
True when it is done, False when all is as before, and fails when it is neither. That everything
agrees is looked at anyway. `points` are those of a run without VIREO_CRASH_FULL."""

from host_storage_kinds import STORAGE_KINDS
from host_vm_kinds import VM_KINDS

KINDS = VM_KINDS + STORAGE_KINDS
