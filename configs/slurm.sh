#!/usr/bin/env bash
# Purpose:  a sweep on several nodes of a Slurm cluster: `sbatch configs/slurm.sh CONFIG.yaml`
# Hardware: what the lines below ask for; here 2 nodes with 4 GPUs each. Every job of a sweep takes
#           one GPU unless sweep.resources says otherwise. Options on sbatch's own command line win:
#             sbatch --partition=gpu --account=ME --nodes=4 --gres=gpu:a100:2 configs/slurm.sh ...
# Needs:    this project installed where all nodes see it, with its Ray (IAC_VENV below); Slurm 20.11
#           or later. No container, no open ports outside the cluster, no administrator.
#
# Once, on a login node, in the folder that holds (or will hold) data/, stores/ and runs/:
#   python3 -m venv .venv && .venv/bin/pip install -c PROJECT/constraints.txt PROJECT
#   .venv/bin/distributed-iac plan PROJECT/configs/sweep_all.yaml         # what it will cost
#   sbatch PROJECT/configs/slurm.sh PROJECT/configs/sweep_all.yaml        # and --set KEY=VALUE ...
#   .venv/bin/distributed-iac status runs/sweep-all                       # at any time
#   .venv/bin/tensorboard --logdir runs/sweep-all/tensorboard --port 6006 # ssh -L 6006:localhost:6006
#
# What happens to it:
#   time limit   300 s before it (--signal) jobs save what they have; the job queues itself again and
#                goes on. So a limit shorter than the sweep is fine, and starts earlier.
#   preemption   Slurm puts it back into the queue (--requeue).
#   a lost node  the others go on (--no-kill); its jobs start again there from their checkpoints.
#                Of the first node, which has the sweep's driver and Ray's head: they queue it again.
#   scancel      ends it. The same sbatch line continues, with whatever nodes it asks for.
#SBATCH --job-name=distributed-iac
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gres=gpu:4
#SBATCH --cpus-per-task=16
#SBATCH --mem=64G
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --no-kill
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log

set -euo pipefail
set -m # else what is started with & never hears of an interrupt

# The places. Each may be set in the environment of sbatch instead.
: "${IAC_SHARED:=$SLURM_SUBMIT_DIR}" # data/, stores/, runs/; the same path on all nodes
: "${IAC_SCRATCH:=/tmp}"             # of each node, for Ray's sockets and logs: at most 40 letters
: "${IAC_VENV:=$IAC_SHARED/.venv}"   # with bin/ray and bin/distributed-iac

SAVING=200     # seconds for jobs to save in, of the 300 that --signal leaves
HEADS_LOST=5   # times that a head may be lost (mostly for want of memory) before that is an error
TRIES=5        # of a node's Ray

usage="usage: sbatch configs/slurm.sh CONFIG.yaml [options of distributed-iac sweep]"
: "${1:?$usage}"
if ((${#IAC_SCRATCH} > 40)); then
    echo "error: IAC_SCRATCH has at most 40 letters (paths of sockets have 107): $IAC_SCRATCH" >&2
    exit 2
fi
export PATH="$IAC_VENV/bin:$PATH" RAY_USAGE_STATS_ENABLED=0
cd "$IAC_SHARED"

# A secret of this job alone, in a folder that only its user may enter: other users of the nodes
# reach Ray's ports, but are not let in.
state="$IAC_SHARED/.slurm-$SLURM_JOB_ID"
mkdir -p "$state" && chmod 700 "$state"
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$state/token"
unset RAY_AUTH_TOKEN RAY_ADDRESS RAY_TMPDIR
(umask 077 && python -c 'import secrets; print(secrets.token_hex(32))' >"$RAY_AUTH_TOKEN_PATH")

# The address by which Slurm itself reaches a node. Where a name leads to the machine's loopback
# (Debian's /etc/hosts), what Ray takes for the machine's own.
address_of() {
    python -c '
import ipaddress, socket, sys
name = sys.argv[1]
found = socket.gethostbyname(name)
if ipaddress.ip_address(found).is_loopback and found != name:
    from ray.util import get_node_ip_address
    found = get_node_ip_address()
print(found)' "$(scontrol show node "$1" | sed -n 's/.*NodeAddr=\([^ ]*\).*/\1/p')"
}

# Ports that are free on this node now. Ray's usual ones are the same for every user of a node.
free_ports() {
    python -c '
import socket
held = [socket.create_server(("", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in held))'
}

# Runs on a node: Ray until it is told to end. FOLDER ADDRESS FIRST_NODE OPTIONS...
# shellcheck disable=SC2329 # bash on that node calls it
on_node() {
    local folder=$1 address=$2 first=$3 status=0
    shift 3
    told=""
    trap 'told=yes' TERM # Ray gets it too; what it leaves is removed after it
    trap 'rm -rf "$folder"' EXIT
    rm -rf "$folder" # of the same job before it was requeued
    mkdir -m 700 "$folder"
    ulimit -n "$(ulimit -Hn)"
    ray start --block --temp-dir="$folder" --node-ip-address="$address" \
        --num-cpus="$SLURM_CPUS_PER_TASK" --num-gpus="${SLURM_GPUS_ON_NODE:-0}" \
        --object-store-memory=500000000 --min-worker-port=0 --max-worker-port=0 \
        --dashboard-agent-listen-port=0 --include-log-monitor=false "$@" || status=$?
    if [[ $1 == --address=* ]]; then
        until [[ -n $told ]] || answers "${1#--address=}"; do
            requeue_without "$first"
            sleep 10
        done
    fi
    return "$status"
}

# shellcheck disable=SC2016,SC2329
answers() {
    timeout 5 bash -c 'exec 3<>"/dev/tcp/${1%:*}/${1##*:}"' bash "$1" 2>/dev/null
}

# Because of --no-kill Slurm leaves a job that has lost its first node, and with it this script, to
# idle on until the time limit. So the others put it back into the queue. NODE
# shellcheck disable=SC2016,SC2329
requeue_without() {
    local left
    left=$(squeue --noheader --job "$SLURM_JOB_ID" --states=RUNNING --format=%N) || return 0
    if [[ -n $left ]] && ! scontrol show hostnames "$left" | grep -qx "$1"; then
        echo "$(date +%T) the first node is lost: once more"
        scontrol requeue "$SLURM_JOB_ID" || true
    fi
}

log_of() {
    echo "$state/ray-$start-${nodes[$1]}.log"
}

# A step for each node rather than one for all (which a lost node would end), and rather than
# `ray symmetric-run`, which refuses a node where anybody's Ray runs, stops all of this user's Ray on
# it when it ends, and waits no longer than 30 s for exactly so many nodes. NUMBER OPTIONS...
start_ray() {
    local number=$1
    shift
    srun --nodes=1 --ntasks=1 --nodelist="${nodes[$number]}" --cpus-per-task="$SLURM_CPUS_PER_TASK" \
        --output="$(log_of "$number")" --open-mode=append \
        bash -c "$(declare -f on_node answers requeue_without); on_node \"\$@\"" on_node \
        "$IAC_SCRATCH/iac-$SLURM_JOB_ID.$number" "${addresses[$number]}" "${nodes[0]}" "$@"
}

start_worker() {
    local try
    for ((try = 1; try <= TRIES; try++)); do
        start_ray "$1" --address="$head_address" || true
        sleep 10
    done
    echo "$(date +%T) node ${nodes[$1]} is not used any more, see $(log_of "$1")"
}

start=$((${SLURM_RESTART_COUNT:-0} + 1))
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
addresses=()
for node in "${nodes[@]}"; do
    addresses+=("$(address_of "$node")")
done
read -r port client_port < <(free_ports)
head_address="${addresses[0]}:$port"
echo "$(date +%T) job $SLURM_JOB_ID, start $start: ${nodes[*]}, head $head_address"

why=""
driver=""
# shellcheck disable=SC2329 # signals call it
stop() { # asks the sweep to save and end; not twice, which would end it at once
    [[ -z $why ]] || return 0
    why=$1
    echo "$(date +%T) $why: the sweep saves what it has"
    if [[ -n $driver ]]; then
        kill -INT "$driver" 2>/dev/null || true
        (sleep "$SAVING" && kill -KILL "$driver") 2>/dev/null &
    fi
}
trap 'stop "the time is nearly over"' USR1
trap 'stop "told to end"' TERM

clean() {
    trap - EXIT
    local step
    for step in $(jobs -p); do
        kill -TERM -- "-$step" 2>/dev/null || true
    done
    wait 2>/dev/null # bash would tell of each that was ended
    rm -f "$RAY_AUTH_TOKEN_PATH"
}
trap clean EXIT

# Ray gives its own helpers 15 s to start, which no setting changes and a busy node may miss. Those
# that have nothing to do here are left out: dashboard, autoscaler, and what copies logs to the driver.
for ((try = 1; try <= TRIES; try++)); do
    start_ray 0 --head --port="$port" --ray-client-server-port="$client_port" \
        --include-dashboard=false --no-monitor &
    head=$!
    until grep -q "Ray runtime started" "$(log_of 0)" 2>/dev/null || ! kill -0 "$head" 2>/dev/null; do
        sleep 1
    done
    if [[ -n $why ]] || kill -0 "$head" 2>/dev/null; then break; fi
done

status=1
if [[ -z $why ]] && kill -0 "$head" 2>/dev/null; then
    for ((number = 1; number < ${#nodes[@]}; number++)); do
        start_worker "$number" &
    done
    distributed-iac sweep "$@" --address "$head_address" &
    driver=$!
    while kill -0 "$driver" 2>/dev/null; do # a signal ends `wait`, not the sweep
        wait "$driver" || true
    done
    status=0
    wait "$driver" || status=$?
fi

again=""
if ((status)) && [[ $why == "the time is nearly over" ]]; then
    again=$why
elif ((status)) && [[ -z $why ]] && ! kill -0 "$head" 2>/dev/null; then
    echo "$(date +%T) start $start" >>"$state/heads-lost"
    if (($(wc -l <"$state/heads-lost") <= HEADS_LOST)); then
        again="Ray's head was lost, see $(log_of 0)"
    fi
fi
clean
if [[ -n $again ]]; then
    echo "$(date +%T) once more: $again"
    scontrol requeue "$SLURM_JOB_ID"
    sleep 60 # until Slurm ends this one
fi
if ((status == 0)); then
    rm -rf "$state"
fi
echo "$(date +%T) the sweep ended with $status"
exit "$status"
