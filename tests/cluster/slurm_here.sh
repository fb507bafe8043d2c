#!/usr/bin/env bash
# A Slurm of three nodes on this machine, and a small real sweep through configs/slurm.sh itself:
#
#   apt-get install --no-install-recommends slurm-wlm munge       # Debian's 22.05 does
#   tests/cluster/slurm_here.sh [FOLDER]                          # some ten minutes of two cores
#
# On the way the time limit comes, a worker's node dies, another job preempts the sweep, and the first
# node dies with the sweep's driver and Ray's head. Then the run is compared with one of the same
# configuration that nothing disturbed (benchmarks/endings.py): jobs, epochs, patients, the bytes of
# all weights, selections. Exits with 0 if all is equal, 77 (skipped) where Slurm is missing.
#
# Daemons are started without systemd, as this user, with a key, ports and folders of their own, and
# are ended in any case. FOLDER is kept; without it everything is removed. Its path must be short.
set -euo pipefail

for program in slurmctld slurmd sbatch munged; do
    if ! PATH="$PATH:/usr/sbin" command -v "$program" >/dev/null; then
        echo "skipped: there is no $program here (apt-get install slurm-wlm munge)"
        exit 77
    fi
done

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
if [[ -n ${1:-} ]]; then
    mkdir -p "$1" && here=$(cd "$1" && pwd)
else
    here=$(mktemp -d /tmp/slurm-XXXX)
fi
export IAC_SHARED="$here/slurm" IAC_SCRATCH="$here" IAC_VENV="${IAC_VENV:-$root/.venv}"
export PATH="$IAC_VENV/bin:$PATH:/usr/sbin" PYTHONPATH="$root" SLURM_CONF="$here/slurm.conf"
export OMP_NUM_THREADS=1 RAY_USAGE_STATS_ENABLED=0
NODES=(n1 n2 n3)
run="$IAC_SHARED/runs/here"

say() { echo "$(date +%T) $*"; }

# Power off, not an orderly end: every process of a node at once. NODE...
power_off() {
    python - "$here" "$@" <<'PYTHON'
import sys
import psutil

here, nodes = sys.argv[1], sys.argv[2:]
marks = [{"IAC_HERE": here, name: node} for name in ("IAC_NODE", "SLURMD_NODENAME") for node in nodes]
victims = set()
for process in psutil.process_iter():
    try:
        environment = process.environ()
        if any(mark.items() <= environment.items() for mark in marks):
            victims |= {process, *process.children(recursive=True)}
            if process.parent().name() == "slurmstepd":  # has written over its own environment
                victims.add(process.parent())
    except (psutil.Error, AttributeError):
        continue
for action in ("suspend", "kill"):
    for victim in victims:
        try:
            getattr(victim, action)()
        except psutil.Error:
            continue
print(len(victims), "processes of", *nodes, "killed")
PYTHON
}

power_on() {
    IAC_NODE=$1 IAC_HERE="$here" slurmd -N "$1" -c
}

stop_all() {
    trap - EXIT
    scancel --me --quiet 2>/dev/null || true
    sleep 3
    power_off "${NODES[@]}" >/dev/null || true
    for name in slurmctld munged; do
        if [[ -s $here/$name.pid ]]; then kill "$(<"$here/$name.pid")" || true; fi
    done
    if [[ -z ${keep:-} ]]; then rm -rf "$here"; fi
}

keep=${1:-}
trap stop_all EXIT
trap 'exit 130' INT TERM
export IAC_HERE="$here" # how power_off knows this Slurm's processes

start_slurm() {
    local ports
    read -r -a ports < <(python -c '
import socket
held = [socket.create_server(("", 0)) for _ in range(4)]
print(*(one.getsockname()[1] for one in held))')
    (umask 077 && head -c 128 /dev/urandom >"$here/munge.key")
    munged --force --key-file="$here/munge.key" --socket="$here/munge.socket" \
        --pid-file="$here/munged.pid" --log-file="$here/munged.log" --seed-file="$here/munge.seed"
    {
        cat <<CONF
ClusterName=here
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=${ports[3]}
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthInfo=socket=$here/munge.socket,cred_expire=15
CredType=cred/munge
StateSaveLocation=$here/state
SlurmctldPidFile=$here/slurmctld.pid
SlurmctldLogFile=$here/slurmctld.log
SlurmdSpoolDir=$here/spool-%n
SlurmdPidFile=$here/slurmd-%n.pid
SlurmdLogFile=$here/slurmd-%n.log
SlurmdParameters=config_overrides
SlurmdTimeout=20
KillWait=10
ReturnToService=2
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=1,sched_interval=5,bf_interval=5
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
PartitionName=low Nodes=ALL Default=YES PriorityTier=1
PartitionName=high Nodes=ALL PriorityTier=10
CONF
        for number in 0 1 2; do
            echo "NodeName=${NODES[number]} NodeHostname=$(hostname -s)" \
                "NodeAddr=127.0.1.$((number + 1)) Port=${ports[number]}" \
                "CPUs=2 RealMemory=4096 Gres=gpu:1"
        done
    } >"$SLURM_CONF"
    echo "Name=gpu File=/dev/null" >"$here/gres.conf" # counted, never used: device is cpu
    mkdir -p "$here/state"
    slurmctld -c
    for node in "${NODES[@]}"; do power_on "$node"; done
}

configuration() {
    cat <<YAML
name: here
device: cpu
threads: 1
data: [{name: acdc, source: raw, preprocess: {workers: 1, patch: [48, 48]}}]
backbones: [{name: basic_unet, features: tiny}]
cell: {nodes: 2, partial_channels: 2}
batches: {batch_size: 4, steps_per_epoch: 4}
pretrain: &short {epochs: 20, validate_every: 5, optimiser: {kind: adam, learning_rate: 1.0e-3}}
retrain: *short
search: {epochs: 20, warmup_epochs: 1, validate_every: 5}
evaluation: {metrics: [dice]}
sweep: {checkpoint_epochs: 3, max_failures: 20}
YAML
}

reports() { cat "$run/journal.jsonl" 2>/dev/null | grep -c '"report"' || true; }

# Nothing where Slurm is too busy to answer.
state_of() { scontrol show job "$job" 2>/dev/null | sed -n 's/.*JobState=\([A-Z_]*\).*/\1/p' || true; }

is_over() { [[ $(state_of) =~ ^(COMPLETED|FAILED|CANCELLED|TIMEOUT|OUT_OF_MEMORY)$ ]]; }

# A second goes by, while there still is a job.
wait_a_second() {
    if is_over; then
        say "the job ended early: $(state_of)"
        exit 1
    fi
    sleep 1
}

# Waits for epochs beyond those that there are now. NUMBER
wait_for_epochs() {
    local goal=$(($(reports) + $1))
    while (($(reports) < goal)); do wait_a_second; done
}

# Waits until the sweep's job has begun so many times. NUMBER
wait_for_start() {
    until grep -q "job $job, start $1:" "$here/job.log" 2>/dev/null; do wait_a_second; done
    say "start $1"
}

mkdir -p "$IAC_SHARED" "$here/calm"
configuration | tee "$IAC_SHARED/config.yaml" >"$here/calm/config.yaml"
for folder in "$IAC_SHARED" "$here/calm"; do
    (cd "$folder" && distributed-iac phantom acdc raw --patients 8 --seed 0 --size tiny >/dev/null)
done
start_slurm
say "Slurm $(sinfo --version): $(sinfo --noheader --format='%D nodes %T')"
cd "$IAC_SHARED"
job=$(sbatch --parsable --nodes=3 --gres=gpu:1 --cpus-per-task=2 --mem=1G --time=60 \
    --signal=B:USR1@60 --output="$here/job.log" "$root/configs/slurm.sh" config.yaml)
wait_for_start 1

wait_for_epochs 6
say "the time limit comes"
ran=$(squeue --noheader --job "$job" --format=%M | awk -F: '{print NF > 2 ? 60 * $1 + $2 : $1}')
scontrol update "JobId=$job" "TimeLimit=$((ran + 2))"
wait_for_start 2
scontrol update "JobId=$job" TimeLimit=60

wait_for_epochs 6
say "$(power_off n3)"
until [[ $(sinfo --noheader --nodes=n3 --format=%T) == down* ]]; do sleep 1; done
wait_for_epochs 6
say "n3 is down, the job $(state_of) with $(squeue --noheader --job "$job" --format='%D nodes')"
power_on n3

say "another job, more important"
sbatch --partition=high --nodes=3 --gres=gpu:1 --exclusive --output=/dev/null --wrap='sleep 5' >/dev/null
wait_for_start 3
wait_for_epochs 6
say "$(power_off n1)"
until [[ $(sinfo --noheader --nodes=n1 --format=%T) == down* ]]; do wait_a_second; done
power_on n1
wait_for_start 4

until is_over; do sleep 2; done
say "$(scontrol show job "$job" | grep -o 'JobState=[A-Z]*\|ExitCode=[0-9:]*\|Restarts=[0-9]*' | xargs)"
tail -n 5 "$here/job.log"
say "undisturbed, without Slurm"
(cd "$here/calm" && distributed-iac sweep config.yaml >"$here/calm.log" 2>&1)
python -m benchmarks.endings "$run" "$here/calm/runs/here"
