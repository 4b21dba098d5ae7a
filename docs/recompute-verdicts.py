#!/usr/bin/env python3
"""Recomputes every verdict of Headway's judge from an exported ledger and the evidence that it names.

    headway ledger export ledger.ndjson
    python3 recompute-verdicts.py ledger.ndjson .headway/blobs/evidence

Needs nothing but Python's standard library, and shares no code with Headway: the rules are those of judge.md. Checks the ledger's chain,
the digest of each piece of evidence, and that verdict, cause and every number follow from it, to the last bit. Prints one line for each
verdict; ends with 1 when anything differs or evidence is missing.
"""

import gzip
import hashlib
import json
import math
import os
import sys

EDGES_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000]
LN2_HIGH, LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
PER_LN2, ROOT_OF_HALF = 1.4426950408889634, 0.7071067811865476
ODD_PARTS = [1 / odd for odd in range(3, 24, 2)]
PER_FACTORIAL = [1 / math.factorial(n) for n in range(14)]


# Arithmetic: additions, multiplications and divisions of binary64 only, so that every language has the same bits.


def series(f):
    z = f * f
    rest = 0.0
    for part in reversed(ODD_PARTS):
        rest = rest * z + part
    twice = 2 * f
    return twice + twice * (z * rest)


def ln(x):
    fraction, exponent = math.frexp(x)
    if fraction < ROOT_OF_HALF:
        fraction, exponent = fraction * 2, exponent - 1
    return exponent * LN2_HIGH + (exponent * LN2_LOW + series((fraction - 1) / (fraction + 1)))


def ln_one_plus(y):
    return series(y / (2 + y)) if -0.25 < y < 0.25 else ln(1 + y)


def exp(x):
    if x < -700:
        return 0.0
    twos = math.floor(x * PER_LN2 + 0.5)
    rest = x - twos * LN2_HIGH - twos * LN2_LOW
    total = 0.0
    for part in reversed(PER_FACTORIAL):
        total = total * rest + part
    return math.ldexp(total, twos)


def ln_mean_exp(values):
    largest = max(values)
    total = 0.0
    for value in values:
        if value - largest >= -40:
            total = total + exp(value - largest)
    return largest + ln(total / len(values))


def ln_weighted_exp(parts):
    largest = max(value for _, value in parts)
    total = 0.0
    for share, value in parts:
        if value - largest >= -40:
            total = total + share * exp(value - largest)
    return largest + ln(total)


# Bets on ratios.

LOWEST, HIGHEST = ln(1.25), ln(100)
WORSE = [LOWEST + (place * (HIGHEST - LOWEST)) / 39 for place in range(40)]
AROUND = [(place - 30) / 10 for place in range(61)]
BETTER = AROUND[:30]
RATIOS = {id(grid): [exp(log) for log in grid] for grid in (WORSE, AROUND, BETTER)}


def costs(grid, share):
    return [ln_one_plus(share * (ratio - 1)) for ratio in RATIOS[id(grid)]]


def bet(grid, sums, cost, canary, total):
    return [before + (log * canary - total * price) for before, log, price in zip(sums, grid, cost)]


def ln_evidence_against(bound, grid, events, of):
    return ln_mean_exp(bet(grid, [0.0] * len(grid), costs(grid, bound), events, of))


def ratio_within(bets, alpha):
    ln_e = ln_mean_exp(bets)
    kept = [place for place, value in enumerate(bets) if not ln_e - value >= ln(1 / alpha)]
    ratios = RATIOS[id(AROUND)]
    first, last = kept[0], kept[-1]
    return (ratios[first - 1] if first > 0 else 0, ratios[last + 1] if last + 1 < len(ratios) else None)


# The judge.


class Metric:
    def __init__(self, name, share):
        self.name, self.share, self.ln_e = name, share, 0.0
        self.rollback, self.promotion = [0.0] * len(WORSE), [0.0] * len(AROUND)

    def counted_in(self, sample):
        requests, errors, restarts, instance_ms, slower = sample[:5]
        if self.name == 'errors':
            return errors, requests
        if self.name == 'restarts':
            return restarts, instance_ms
        if self.name.startswith('own:'):
            own = sample[5] if len(sample) > 5 else {}
            return tuple(own.get(self.name[len('own:'):], (0, 0)))
        return slower[EDGES_MS.index(int(self.name[len('slower-than-'):-len('ms')]))], requests

    def take(self, baseline, canary, tolerance):
        (x0, n0), (x1, n1) = self.counted_in(baseline), self.counted_in(canary)
        if x0 + x1 == 0 or n0 == 0 or n1 == 0:
            return
        share = n1 / (n0 + n1)
        weighted = share * (1 + tolerance)
        share = weighted / (1 - share + weighted)
        self.rollback = bet(WORSE, self.rollback, costs(WORSE, share), x1, x0 + x1)
        self.promotion = bet(AROUND, self.promotion, costs(AROUND, share), x1, x0 + x1)
        self.ln_e = ln_mean_exp(self.rollback)


def metrics_of(plan):
    own = plan.get('metrics') or []
    slow = 1 if plan['latency'] else 0
    if plan.get('focus') == 'errors':
        errors, slow, restarts, each = 8, slow, 1, 2
    elif plan.get('focus') == 'latency':
        errors, slow, restarts, each = 1, 8, 1, 1
    else:
        errors, restarts, each = slow + 1 + len(own), 1, 1
    whole = errors + slow + restarts + each * len(own)
    edges = [edge for edge in EDGES_MS if edge >= 20] if plan['latency'] else []
    latency = [Metric(f'slower-than-{edge}ms', slow / whole / len(edges)) for edge in edges]
    others = [Metric('restarts', restarts / whole), *(Metric(f'own:{name}', each / whole) for name in own)]
    return [Metric('errors', errors / whole), *latency, *others]


def is_empty(sample):
    return sample[0] == sample[1] == sample[2] == 0 and all(
        events == of == 0 for events, of in (sample[5].values() if len(sample) > 5 else ())
    )


def nothing():
    return [0, 0, 0, 0, [0] * len(EDGES_MS), {}]


def add(one, other):
    own = dict(one[5])
    for name, (events, of) in (other[5] if len(other) > 5 else {}).items():
        own[name] = (own.get(name, (0, 0))[0] + events, own.get(name, (0, 0))[1] + of)
    return [*(a + b for a, b in zip(one[:4], other[:4])), [a + b for a, b in zip(one[4], other[4])], own]


class Judge:
    def __init__(self, plan):
        self.plan, self.metrics = plan, metrics_of(plan)
        self.compared = plan.get('compared', True)
        self.enough = ln(1 / plan['alpha'])
        self.at, self.gap, self.failed = None, False, None
        self.canary_at = self.baseline_at = self.canary_since = None
        self.baseline, self.canary = nothing(), nothing()
        self.block = None
        self.ln_e = self.highest = 0.0

    def take(self, at, gap, baseline, canary):
        self.at, self.gap = at, gap
        if is_empty(baseline) and is_empty(canary):
            return
        since, *versions = self.block or (at, nothing(), nothing())
        warm = self.canary_since is not None and since - self.canary_since >= 5000
        warm = warm and self.canary[0] - versions[1][0] >= 30
        self.baseline, self.canary = add(self.baseline, baseline), add(self.canary, canary)
        block = [add(*pair) for pair in zip(versions, (baseline, canary))]
        whole = min(block[0][0], block[1][0]) >= 5 or at - since >= 60_000
        self.block = None if whole else (since, *block)
        if whole and self.compared:
            for metric in self.metrics:
                if warm or not metric.name.startswith('slower-than-'):
                    metric.take(*block, self.plan['tolerance'])
        if canary[0] > 0:
            self.canary_at = at
            self.canary_since = at if self.canary_since is None else self.canary_since
        if baseline[0] > 0:
            self.baseline_at = at
        if whole:
            self.ln_e = ln_weighted_exp([(metric.share, metric.ln_e) for metric in self.metrics])
        self.highest = max(self.highest, self.ln_e)
        self.failed = self.failed or self.failure()

    def failure(self):
        if self.ln_e >= self.enough:
            return max(self.metrics, key=lambda metric: metric.ln_e).name
        for place, threshold in enumerate(self.plan['thresholds']):
            events, of, bound = self.measured(threshold)
            if ln_evidence_against(bound, WORSE, events, of) >= self.enough:
                return f'threshold-{place}'
        return None

    def measured(self, threshold):
        requests, errors, _, _, slower, _ = self.canary
        if threshold['metric'] == 'error-rate':
            return errors, requests, threshold['below']
        edge = next((place for place, edge in enumerate(EDGES_MS) if edge >= threshold['belowMs']), None)
        return (0 if edge is None else slower[edge]), requests, 1 - threshold['quantile']

    def lacking(self):
        def silent(last):
            return last is None or (self.at or 0) - last > 300_000

        if self.gap:
            return 'telemetry-gap'
        if silent(self.canary_at):
            return 'no-traffic'
        return 'no-baseline-traffic' if self.compared and silent(self.baseline_at) else None

    def is_no_worse(self):
        def shown_below(bound, events, of):
            return ln_evidence_against(bound, BETTER, events, of) >= self.enough

        def fine(metric):
            until = ratio_within(metric.promotion, self.plan['alpha'])[1]
            if until is not None and until <= 1:
                return True
            canary = metric.counted_in(self.canary)
            return canary[0] == 0 if metric.name == 'restarts' else shown_below(0.001, *canary)

        for threshold in self.plan['thresholds']:
            events, of, bound = self.measured(threshold)
            if not shown_below(bound, events, of):
                return False
        return all(map(fine, self.metrics)) if self.compared else len(self.plan['thresholds']) > 0

    def judgement(self, batches):
        lacking = self.lacking()
        if self.failed:
            verdict, cause = 'fail', self.failed
        elif lacking is None and self.is_no_worse():
            verdict, cause = 'pass', 'no-worse'
        else:
            verdict, cause = 'inconclusive', lacking or 'undecided'
        counted = lambda total: {'requests': total[0], 'errors': total[1], 'restarts': total[2]}
        tally = lambda events, of: {'events': events, 'of': of}
        numbers = {
            'at': self.at or 0, 'batches': batches, 'cause': cause, 'lnE': self.ln_e, 'pValue': exp(-self.highest),
            'baseline': counted(self.baseline), 'canary': counted(self.canary), 'metrics': [], 'thresholds': [],
        }
        for metric in self.metrics:
            baseline, canary = metric.counted_in(self.baseline), metric.counted_in(self.canary)
            if baseline[0] + canary[0] == 0 and not metric.name.startswith('own:'):
                continue
            low, high = ratio_within(metric.promotion, self.plan['alpha'])
            tolerated = 1 + self.plan['tolerance']
            ratio = {'from': low * tolerated, 'until': None if high is None else high * tolerated}
            numbers['metrics'].append({
                'metric': metric.name, 'share': metric.share, 'baseline': tally(*baseline),
                'canary': tally(*canary), 'lnE': metric.ln_e, 'ratio': ratio,
            })
        for threshold in self.plan['thresholds']:
            events, of, bound = self.measured(threshold)
            numbers['thresholds'].append({**tally(events, of), 'lnE': ln_evidence_against(bound, WORSE, events, of)})
        return verdict, numbers


def recompute(evidence, given):
    judge = Judge(evidence['plan'])
    for at, gap, baseline, canary in evidence['batches'][: given['batches']]:
        judge.take(at, gap == 1, baseline, canary)
    if given['at'] not in (0, judge.at):
        judge.take(given['at'], judge.gap, nothing(), nothing())
    return judge.judgement(given['batches'])


# The ledger and what it names.


def facts(path):
    """Each fact's envelope and payload (None: erased), the chain checked on the way."""
    previous = hashlib.sha256(b'headway ledger, format 1').hexdigest()
    with open(path, encoding='utf-8') as lines:
        for line in filter(str.strip, lines):
            link = json.loads(line)
            envelope = json.loads(link['envelope'])
            if envelope['previous'] != previous:
                sys.exit(f"fact {link['seq']} does not follow the one before it")
            previous = hashlib.sha256(bytes.fromhex(previous) + link['envelope'].encode()).hexdigest()
            if link['payload'] is not None:
                bytes_ = bytes.fromhex(link['salt']) + link['payload'].encode()
                if hashlib.sha256(bytes_).hexdigest() != envelope['commitment']:
                    sys.exit(f"the payload of fact {link['seq']} is not what was recorded")
            yield envelope, None if link['payload'] is None else json.loads(link['payload'])


def evidence_at(folder, digest):
    try:
        with gzip.open(os.path.join(folder, digest[len('sha256:'):] + '.json.gz')) as file:
            text = file.read()
    except OSError:
        return None
    return json.loads(text) if 'sha256:' + hashlib.sha256(text).hexdigest() == digest else None


def main(ledger, folder):
    checked = broken = 0
    for envelope, payload in facts(ledger):
        if envelope['type'] != 'rollout.judged' or payload is None:
            continue
        name = f"{envelope['seq']} {payload['deployment']} step {payload['step']}: {payload['verdict']}"
        if payload['evidence'] is None:
            print(f'{name}, made without evidence')
            continue
        checked += 1
        evidence = evidence_at(folder, payload['evidence'])
        if evidence is None:
            broken += 1
            print(f"{name}: its evidence {payload['evidence']} is missing or altered")
            continue
        verdict, numbers = recompute(evidence, payload['numbers'])
        if (verdict, numbers) == (payload['verdict'], payload['numbers']):
            print(f"{name} ({numbers['cause']}), as recomputed")
        else:
            broken += 1
            print(f'{name}, but recomputed {verdict}: {json.dumps(numbers)}')
    print(f'{checked} verdicts recomputed, {broken} differ')
    return 1 if broken else 0


if __name__ == '__main__':
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2]))
