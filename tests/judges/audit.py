#!/usr/bin/env python3
"""A second auditor: the rules of docs/TRUST.md 2 once more, written from that text and not from ours, to be held against ours.

    audit.py FILE    one log a line, JSON: {"origin", "gov_key", "gov": [leaf], "charter": {digest: policy.toml}, "map": [leaf],
                     "batches": [batch of epoch 1, ...], "cosigned": [Unix seconds]}; bytes in base64
                     prints for each {"rule": null, or the name of the first rule that is broken}

Needs python3-cryptography. Slow, and complete: whatever passes here and not there, or there and not here, is a mistake of one of us."""
import base64, hashlib, json, re, struct, sys, tomllib
from collections import namedtuple
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

class Broken(Exception):
    """The name of a rule."""

Z, DAY, HOUR = bytes(32), 86_400_000, 3_600_000
MINUTES10 = 600_000
U64 = (1 << 64) - 1
sha = lambda *parts: hashlib.sha256(b''.join(parts)).digest()
b64 = lambda raw: base64.b64encode(raw).decode()
b64url = lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip('=')

def must(ok, rule):
    if not ok: raise Broken(rule)

def unb64(text, size=None):
    """Canonical base64 or nothing."""
    try: raw = base64.b64decode(text, validate=True)
    except (ValueError, TypeError): return None
    return raw if b64(raw) == text and size in (None, len(raw)) else None

# ---- keys: 1 Ed25519, 2 ES256 ----
P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
L = 2**252 + 27742317777372353535851937790883648493
WN = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551

def on_edwards(raw):
    """Whether 32 bytes are the one encoding of a point that is not of small order."""
    y, sign = int.from_bytes(raw, 'little') & (1 << 255) - 1, raw[31] >> 7
    if y >= P: return False
    x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P: x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - x2) % P or x == 0 and sign: return False
    if x & 1 != sign: x = P - x
    for _ in range(3):                                             # times eight: the neutral element is (0, 1)
        k = D * x * x * y * y % P
        x, y = 2 * x * y * pow(1 + k, -1, P) % P, (y * y + x * x) * pow(1 - k, -1, P) % P
    return (x, y) != (0, 1)

good_keys = {}
def is_key(alg, pk):
    if (alg, pk) not in good_keys:
        good = (alg, len(pk)) in ((1, 32), (2, 33))
        if good and alg == 1: good = on_edwards(pk)
        if good and alg == 2:
            try: ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), pk)
            except ValueError: good = False
            good = good and pk[0] in (2, 3)
        good_keys[alg, pk] = good
    return good_keys[alg, pk]

def verify(alg, pk, message, sig):
    try:
        if alg == 1:
            if int.from_bytes(sig[32:], 'little') >= L or not on_edwards(sig[:32]): return False
            ed25519.Ed25519PublicKey.from_public_bytes(pk).verify(sig, message)
        else:
            r, s = int.from_bytes(sig[:32], 'big'), int.from_bytes(sig[32:], 'big')
            if not 0 < r < WN or not 0 < s <= WN // 2: return False
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), pk)
            key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
        return True
    except (InvalidSignature, ValueError): return False

def thumbprint(alg, pk):
    """RFC 7638."""
    if alg == 1: return sha(b'{"crv":"Ed25519","kty":"OKP","x":"%s"}' % b64url(pk).encode())
    n = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), pk).public_numbers()
    x, y = (b64url(v.to_bytes(32, 'big')).encode() for v in (n.x, n.y))
    return sha(b'{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}' % (x, y))

# ---- trees ----
def log_root(hashes_):
    """RFC 6962 2.1 over leaf hashes."""
    if not hashes_: return sha()
    level = list(hashes_)
    while len(level) > 1:                                          # an odd last one moves up as it is
        level = [sha(b'\1', level[i], level[i + 1]) if i + 1 < len(level) else level[i] for i in range(0, len(level), 2)]
    return level[0]

def map_root(leaves):
    """leaves: ascending (label, S). A leaf stands at the shallowest depth >= 1 where it is alone."""
    def below(part, depth):
        if not part: return Z
        if len(part) == 1 and depth: return sha(b'\2', *part[0])
        bit = lambda leaf: leaf[0][depth // 8] >> 7 - depth % 8 & 1
        return sha(b'\3', below([x for x in part if not bit(x)], depth + 1), below([x for x in part if bit(x)], depth + 1))
    return below(leaves, 0) if leaves else Z

# ---- notes and leaves ----
INT, B32, NAME = '(0|[1-9][0-9]{0,17})', '([A-Za-z0-9+/]{43}=)', '([!-*,-~]+)'
CONFIG = (f'callbook/config/v1\norigin {NAME}\nvrf ecvrf-edwards25519-sha512-tai {B32}\nhash sha256\n'
          f'prev-era (none|{NAME} {INT} {B32})\ngov {NAME}\n')
EPOCH = f'callbook/epoch/v1\nepoch {INT}\ntime {INT}\nmap {B32}\nbatch {B32}\ngov {INT} {B32}\n'

def fields(form, raw, rule):
    m = re.fullmatch(form, raw.decode('latin-1'))
    must(m, rule)
    for group in m.groups():
        if group and re.fullmatch(B32, group): must(unb64(group, 32) is not None, rule)
    return m.groups()

def vkey(text):
    name, id_, data = text.split('+', 2)
    raw = unb64(data, 33)
    return name, bytes.fromhex(id_), raw[0], raw[1:]

def gov_leaf(raw, key, index):
    """The one JSON line of a leaf that this key has signed."""
    name, id_, _, pk = vkey(key)
    try: text = raw.decode()
    except UnicodeDecodeError: raise Broken('gov: form')
    must('\n\n' in text and text.endswith('\n') and not re.search('[\0-\t\v-\x1f]', text), 'gov: form')
    body, lines = text.rsplit('\n\n', 1)
    signed = False
    for line in lines[:-1].split('\n'):
        m = re.fullmatch(r'— ([^+\s]+) (\S+)', line)
        blob = unb64(m[2]) if m else None
        must(blob, 'gov: form')
        if (m[1], blob[:4]) == (name, id_):
            must(len(blob) == 68 and verify(1, pk, (body + '\n').encode(), blob[4:]), 'gov: form')
            signed = True
    must(signed and body.startswith('callbook/gov/v1\n{'), 'gov: form')
    line = body.split('\n', 1)[1]
    try: leaf = json.loads(line)
    except ValueError: raise Broken('gov: form')
    must(json.dumps(leaf, sort_keys=True, separators=(',', ':'), ensure_ascii=False) == line, 'gov: form')
    must(set(leaf) == {'type', 'time', 'seq', 'body'} and leaf['seq'] == index, 'gov: form')
    return leaf

# ---- what the gov log adds up to ----
class Decided:
    def __init__(self, key, texts):
        self.key, self.texts, self.hashes, self.time = key, texts, [], 0
        self.eras, self.sequencer, self.providers, self.staff, self.charter = {}, None, {}, {}, []

    def append(self, raw):
        leaf = gov_leaf(raw, self.key, len(self.hashes))
        must(not self.hashes or leaf['time'] > self.time, 'gov: time')
        kind, body = leaf['type'], leaf['body']
        must(self.hashes or kind == 'era-open', 'gov: era')
        if kind == 'era-open':
            self.eras[body['map']] = unb64(body['vrf_key'], 32)
            self.sequencer = thumbprint(*self.a_key(body['sequencer_key']))
        if kind == 'provider':
            self.providers[body['id']] = (body['status'], {thumbprint(*self.a_key(k)) for k in body['statement_keys']})
        if kind == 'staff':
            self.staff[self.a_key(body['key'])] = body['role'] if body['status'] == 'active' else None
        if kind == 'charter':
            text = self.texts.get(body['policy'])
            must(text is not None and b64(sha(text.encode())) == body['policy'], 'gov: charter')
            must(body['version'] == len(self.charter) + 1, 'gov: charter')
            must(not self.charter or self.charter[-1][0] <= body['effective'], 'gov: charter')
            self.charter.append((body['effective'], terms(tomllib.loads(text)['parameters'])))
        self.hashes.append(sha(b'\0', raw))
        self.time = leaf['time']

    @staticmethod
    def a_key(body):
        return {'ed25519': 1, 'es256': 2}[body['algorithm']], unb64(body['key'])

    def operators(self):
        return {thumbprint(*key) for key, role in self.staff.items() if role in ('officer', 'admin')}

    def terms_at(self, time):
        must(self.charter, 'gov: charter')
        return next((t for at, t in reversed(self.charter) if at <= time), self.charter[0][1])

Terms = namedtuple('Terms', 'wait fast locked held second void objected_void pause quarantine grace')
def terms(policy):
    """The charter's periods in milliseconds; wait by door."""
    d = lambda name: policy[name]['value'] * DAY
    return Terms({0: d('recovery_cooldown_d'), 2: d('transfer_code_delay_d'), 3: d('objection_d'), 9: d('provider_release_notice_d')},
                 policy['recovery_fast_h']['value'] * HOUR, d('recovery_locked_d'), d('held_claim_d'), d('second_round_d'),
                 d('request_void_d'), d('objected_void_d'), d('claim_pause_d'), d('quarantine_d'), d('lapse_grace_d'))

# ---- States and events ----
ACTIVE, SUSPENDED, RELEASED = 1, 2, 3
LOCK, HELD, SUSP_OP, SUSP_HOLDER, OBJECTED = 1, 2, 4, 8, 16
SUSPENSIONS = SUSP_OP | SUSP_HOLDER
CREATE, UPDATE, TRANSFER, REQUEST, COMPLETE, VETO, SUSPEND, RESUME, RELEASE, RENEW, OBJECT, CARRY = range(1, 13)
CONTROL, PROVIDER, NEW, OPERATOR, RECOVERY, SEQUENCER = range(1, 7)
State = namedtuple('State', 'status flags version since key_epoch not_after prev control recovery pending commitment')
Event = namedtuple('Event', 'kind door label prev state raw_state provider evidence valid_until sigs')
Entry = namedtuple('Entry', 'state S provider time request taken')
Request = namedtuple('Request', 'door control provider time fast objected')

def state(raw):
    must(raw[:18] == b'callbook/state/v1\0', 'event: form')
    s = State(*struct.unpack('>BBQQQQ32s32s32s32s32s', raw[18:]))
    must(s.status in (ACTIVE, SUSPENDED, RELEASED) and s.flags < 32, 'event: form')
    must((s.status == SUSPENDED) == bool(s.flags & SUSPENSIONS), 'event: form')
    must(s.version >= 1 and (s.version == 1) == (s.prev == Z) and s.key_epoch <= s.since, 'event: form')
    if s.status == RELEASED: must(s.flags == 0 and s.control == s.recovery == s.pending == s.commitment == Z, 'event: form')
    else: must(s.control != Z and s.commitment != Z, 'event: form')
    must(s.pending != Z or not s.flags & OBJECTED, 'event: form')
    return s

def event(raw):
    at = 0
    def take(n):
        nonlocal at
        must(at + n <= len(raw), 'event: form')
        at += n
        return raw[at - n:at]
    number = lambda n: int.from_bytes(take(n), 'big')
    must(take(18) == b'callbook/event/v1\0', 'event: form')
    kind, door = number(1), number(1)
    must(CREATE <= kind <= CARRY and door in (0, 2, 3, 9), 'event: form')
    label, prev, raw_state = take(32), take(32), take(212)
    s, provider = state(raw_state), take(number(2)).decode('latin-1')
    must(re.fullmatch('([a-z0-9][a-z0-9-]{0,62})?', provider), 'event: form')
    evidence, valid_until, sigs = take(32), number(8), []
    for _ in range(number(1)):
        role, alg = number(1), number(1)
        pk = take(number(2))
        must(CONTROL <= role <= SEQUENCER and is_key(alg, pk), 'event: form')
        sigs.append((role, alg, pk, take(64)))
    must(at == len(raw), 'event: form')
    for a, b in zip(sigs, sigs[1:]): must(a[:3] < b[:3] and (a[0] != b[0] or a[0] == OPERATOR), 'event: form')
    return Event(kind, door, label, prev, s, raw_state, provider, evidence, valid_until, sigs)

def signed_bytes(e, origin):
    lp = lambda x: struct.pack('>H', len(x)) + x
    unset = e.raw_state[:28] + bytes(16) + e.raw_state[44:]
    return (b'callbook/event-tbs/v1\0' + lp(origin.encode()) + bytes((e.kind, e.door)) + e.label + e.prev + unset +
            lp(e.provider.encode()) + e.evidence + struct.pack('>Q', e.valid_until))

TABLE = {  # kind: (statuses before, None: no State; what may change; doors with the roles that sign)
    CREATE: ({None, RELEASED}, {'status', 'flags', 'not_after', 'control', 'recovery', 'pending', 'commitment'}, {(0, (2, 3))}),
    UPDATE: ({ACTIVE}, {'flags', 'control', 'recovery', 'pending', 'commitment'}, {(0, (1, 2)), (0, (1, 2, 3)), (9, (1,))}),
    TRANSFER: ({ACTIVE}, {'commitment'}, {(0, (1, 2))}),
    REQUEST: ({ACTIVE}, {'pending'}, {(0, (2, 3)), (0, (2, 3, 5)), (2, (2, 3)), (3, (2, 3)), (9, (2,))}),
    COMPLETE: ({ACTIVE, SUSPENDED}, {'flags', 'not_after', 'control', 'recovery', 'pending', 'commitment'},
               {(0, (2, 3)), (2, (2, 3)), (3, (2, 3)), (3, (2, 3, 4, 4))}),
    VETO: ({ACTIVE, SUSPENDED}, {'flags', 'pending'}, {(9, (1,)), (0, (4, 4))}),
    SUSPEND: ({ACTIVE, SUSPENDED}, {'status', 'flags'}, {(0, (4, 4)), (9, (1,))}),
    RESUME: ({SUSPENDED}, {'status', 'flags'}, {(0, (4, 4)), (9, (1,))}),
    RELEASE: ({ACTIVE, SUSPENDED}, {'status', 'flags', 'control', 'recovery', 'pending', 'commitment'}, {(9, (1,)), (9, (2,)), (0, (6,))}),
    RENEW: ({ACTIVE, SUSPENDED}, {'not_after'}, {(0, (2,))}),
    OBJECT: ({ACTIVE, SUSPENDED}, {'flags'}, {(9, (1,))}),
    CARRY: ({ACTIVE, SUSPENDED}, set(), {(0, (6,))}),
}

# The key before takes the number back: a TRANSFER through door 3.
TAKE_BACK = ({ACTIVE, SUSPENDED}, {'flags', 'not_after', 'control', 'recovery', 'pending', 'commitment'}, {(3, (2, 3))})

def wait(entry, t):
    """How long a pending request waits."""
    ask, flags = entry.request, entry.state.flags
    if flags & LOCK and ask.door != 9: return t.locked
    if flags & HELD and ask.door == 3: return t.held
    return t.fast if ask.fast else t.wait[ask.door]

def is_void(entry, t, time):
    if not entry or not entry.request: return False
    life, waits = t.objected_void if entry.state.flags & OBJECTED else t.void, wait(entry, t)
    return time >= entry.request.time + (life if waits < life else waits + life)

def allowed(status, kind, door):
    """What a provider of that status may submit (docs/REGISTRY.md 6)."""
    widens = kind in (CREATE, TRANSFER) or kind in (REQUEST, COMPLETE) and door in (2, 3)
    if status in ('probation', 'accredited', 'warned'): return True
    return status in ('restricted', 'winding_down') and not widens

def check(e, origin, epoch, time, before, decided, t):
    """One event; gives what is kept of the label then."""
    new, old = e.state, before.state if before else None
    ask, was = before.request if before else None, old.flags if old else 0
    back = e.kind == TRANSFER and e.door == 3
    statuses, may, signers = TAKE_BACK if back else TABLE[e.kind]
    if e.kind == REQUEST and e.door == 3: statuses = {ACTIVE, SUSPENDED}
    # the chain, epochs, times
    must(new.version == (old.version + 1 if old else 1), 'event: version')
    must(new.prev == e.prev == (before.S if before else Z), 'event: prev')
    must(new.since == epoch and (e.kind == CARRY or not old or old.since < epoch), 'event: since_epoch')
    key_epoch = 0 if e.kind == CARRY else old.key_epoch if old and old.control == new.control else epoch
    must(new.key_epoch == key_epoch, 'event: key_epoch')
    must(time <= min(e.valid_until * 1000, U64) <= time + DAY, 'event: valid_until')
    # the table
    must((old.status if old else None) in statuses, 'event: status before')
    roles = tuple(s[0] for s in e.sigs)
    rotates = e.kind == UPDATE and old and new.control != old.control
    must((e.door, roles) in signers and (e.kind != UPDATE or bool(rotates) == (NEW in roles)), 'event: door or signatures')
    if not old: must(e.kind == CREATE, 'event: changes more than its kind may')
    else:
        changed = {f for f in ('status', 'flags', 'not_after', 'control', 'recovery', 'pending', 'commitment') if getattr(new, f) != getattr(old, f)}
        if e.kind == REQUEST and was & OBJECTED and is_void(before, t, time): changed.discard('flags')
        must(changed <= may, 'event: changes more than its kind may')
    after = {CREATE: ACTIVE, RELEASE: RELEASED}.get(e.kind, SUSPENDED if new.flags & SUSPENSIONS else ACTIVE)
    must(new.status == after, 'event: status after')
    # who signed
    tbs = signed_bytes(e, origin)
    must(all(verify(alg, pk, tbs, sig) for _, alg, pk, sig in e.sigs), 'event: bad signature')
    status, statement = decided.providers.get(e.provider, (None, set()))
    for role, alg, pk, _ in e.sigs:
        who = thumbprint(alg, pk)
        if role == CONTROL: must(old and who == old.control, 'event: not the current control key')
        if role == PROVIDER: must(who in statement, 'event: not a key of the provider')
        if role == NEW: must(e.kind == REQUEST or who == new.control, 'event: not the new control key')
        if role == OPERATOR: must(who in decided.operators(), 'event: not an operator')
        if role == RECOVERY: must(old and who == old.recovery, 'event: not the recovery key')
        if role == SEQUENCER: must(who == decided.sequencer, 'event: not the sequencer')
    must(PROVIDER in roles or e.provider == '', 'event: not a key of the provider')
    if PROVIDER in roles and e.kind != CREATE and e.door != 3:
        other = e.kind == TRANSFER or e.door == 2
        must((e.provider != (before.provider if before else '')) == other, 'event: provider may not do this')
    token = e.kind in (CREATE, TRANSFER, COMPLETE, RENEW) or e.kind == REQUEST and e.door != 9
    if OPERATOR in roles: must(e.evidence in decided.hashes, 'event: evidence')
    elif e.kind != UPDATE: must((e.evidence != Z) == token, 'event: evidence')
    # what is pending
    asked = next((thumbprint(alg, pk) for role, alg, pk, _ in e.sigs if role == NEW), Z)
    claim = sha(b'callbook/pending/v1\0', bytes([e.door]), asked, struct.pack('>H', len(e.provider)), e.provider.encode())
    if 'pending' in may:
        expected = Z
        if e.kind == REQUEST: expected = claim
        if e.kind == UPDATE and ask and ask.door == 3 and not (is_void(before, t, time) and new.pending == Z): expected = old.pending
        must(new.pending == expected, 'event: pending')
    # what is particular to a kind
    flip = new.flags ^ was
    if e.kind == CREATE:
        must(not new.flags & ~(LOCK | HELD), 'event: flags')
        must(not before or time >= before.time + t.quarantine, 'event: quarantine not over')
    if e.kind == UPDATE:
        rest = flip & ~LOCK
        if new.pending == Z: rest ^= was & OBJECTED
        must(rest == 0 or rotates and rest == HELD and was & HELD, 'event: flags')
    if e.kind == REQUEST:
        must(not was & SUSP_OP, 'event: status before')
        must(not ask or is_void(before, t, time), 'event: another request is pending')
        must(flip == was & OBJECTED, 'event: flags')
    if e.kind in (VETO, OBJECT):
        ruling = OPERATOR in roles
        must(ask and (ask.door == 3) == (e.kind == OBJECT or ruling), 'event: nothing to veto or object to')
        if ruling: must(not flip & ~OBJECTED, 'event: flags')
        else:
            must(not was & HELD, 'event: provider-held')
            due = OBJECTED if e.kind == OBJECT else 0
            must(flip == due and not was & due, 'event: flags')
    if e.kind in (SUSPEND, RESUME):
        mine = SUSP_OP if OPERATOR in roles else SUSP_HOLDER
        must(flip == mine and bool(new.flags & mine) == (e.kind == SUSPEND), 'event: who suspended must resume')
    must(e.kind != CARRY, 'event: era has begun')
    taken = before.taken if before else None
    if back:
        # accepted within the pause, sealed a day later at most
        must(taken and taken[0] == new.control and time < taken[1] + t.pause + DAY, 'event: nothing to take back')
        must(new.flags & ~LOCK == was & SUSPENSIONS, 'event: flags')
    if e.kind in (CREATE, COMPLETE, RENEW) or back: must(min(new.not_after * 1000, U64) > time, 'event: not_after is over')
    if e.kind == RENEW: must(new.not_after > old.not_after, 'event: not_after does not rise')
    # waits
    if e.kind == COMPLETE or e.kind == RELEASE and PROVIDER in roles:
        must(ask and old.pending == claim, 'event: pending does not open')
        must(time >= ask.time + wait(before, t), 'event: cool-down not over')
        if e.kind == COMPLETE:
            must(new.flags & ~(LOCK | HELD) == was & SUSPENSIONS, 'event: flags')
            second = ask.objected is not None and time >= ask.objected + t.second
            must(not was & OBJECTED or OPERATOR in roles or second, 'event: objection not decided')
    if e.kind == RELEASE and SEQUENCER in roles:
        must(time >= min(old.not_after * 1000, U64) + t.grace, 'event: not lapsed for long enough')
    if PROVIDER in roles: must(allowed(status, e.kind, e.door), 'event: status of the provider')
    if e.kind == COMPLETE and e.door in (2, 3):
        returns = taken and taken[0] == new.control and ask.time < taken[1] + t.pause
        silent = not was & (OBJECTED | HELD) and OPERATOR not in roles and not returns and old.control != new.control
        taken = (old.control, time) if silent else None
    if e.kind in (CREATE, RELEASE) or back: taken = None
    if e.kind == REQUEST: ask = Request(e.door, asked, e.provider, time, RECOVERY in roles, None)
    if e.kind == OBJECT: ask = ask._replace(objected=time)
    provider = e.provider if e.kind in (CREATE, TRANSFER, COMPLETE) else before.provider
    return Entry(new, sha(e.raw_state), provider, time, ask if new.pending != Z else None, taken)

# ---- the replay ----
def batch(raw, root):
    parts = []
    while raw:
        must(len(raw) >= 2 and len(raw) - 2 >= int.from_bytes(raw[:2], 'big'), 'batch: form')
        size = int.from_bytes(raw[:2], 'big')
        parts.append(raw[2:2 + size])
        raw = raw[2 + size:]
    must(log_root([sha(b'\0', part) for part in parts]) == root, 'batch: root')
    events = [event(part) for part in parts]
    must(all(a.label < b.label for a, b in zip(events, events[1:])), 'batch: labels out of order or twice')
    return events

def replay(log):
    decided = Decided(log['gov_key'], log['charter'])
    gov = [base64.b64decode(leaf) for leaf in log['gov']]
    leaves = [base64.b64decode(leaf) for leaf in log['map']]
    batches = [b''] + [base64.b64decode(one) for one in log['batches']]
    entries, last, gov_size = {}, 0, 0
    def decide(size, missing):
        while len(decided.hashes) < size:
            must(len(decided.hashes) < len(gov), missing)
            decided.append(gov[len(decided.hashes)])
    for n, leaf in enumerate(leaves):
        if n == 0:
            decide(1, 'gov: era')
            origin, vrf, *_ = fields(CONFIG, leaf, 'config: form')
            must(origin == log['origin'], 'config: form')
            must(decided.eras.get(origin) == unb64(vrf, 32), 'gov: era')
            continue
        epoch, time, map_, batch_, size, root = fields(EPOCH, leaf, 'epoch: form')
        epoch, time, size = int(epoch), int(time), int(size)
        must(epoch == n, 'epoch: number')
        must(time > last, 'epoch: time')
        must(size >= max(gov_size, 1), 'epoch: gov size')
        decide(size, 'epoch: gov size')
        must(len(decided.hashes) == size and log_root(decided.hashes) == unb64(root, 32), 'epoch: gov root')
        must(time + MINUTES10 >= decided.time, 'epoch: before its gov log')
        events = batch(batches[n], unb64(batch_, 32))
        t = decided.terms_at(time)
        changed = {e.label: check(e, log['origin'], n, time, entries.get(e.label), decided, t) for e in events}
        entries.update(changed)
        must(map_root(sorted((label, entry.S) for label, entry in entries.items())) == unb64(map_, 32), 'epoch: map root')
        last, gov_size = time, size
    cosigned = [s * 1000 for s in log['cosigned']]
    if cosigned and last:
        must(min(cosigned) + MINUTES10 >= last, 'checkpoint: dated after its cosignature')
        must(min(cosigned) <= last + DAY, 'checkpoint: backdated')

def main(path):
    for line in open(path):
        try:
            replay(json.loads(line))
            rule = None
        except Broken as broken: rule = str(broken)
        print(json.dumps({'rule': rule}), flush=True)

if __name__ == '__main__':
    main(sys.argv[1])
