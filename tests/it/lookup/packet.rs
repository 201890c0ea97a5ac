//! Answers taken apart and put together again, for those who forge them.

/// A record with its owner in full and its data as it came (none of the types used here is compressed inside).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) owner: Vec<u8>,
    pub(crate) rr_type: u16,
    pub(crate) ttl: u32,
    pub(crate) rdata: Vec<u8>,
}

/// Id to question as bytes, answer and authority as records.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    head: Vec<u8>,
    pub(crate) answer: Vec<Record>,
    pub(crate) authority: Vec<Record>,
}

pub(crate) const NAPTR: u16 = 35;
pub(crate) const DS: u16 = 43;
pub(crate) const RRSIG: u16 = 46;
pub(crate) const NSEC: u16 = 47;
pub(crate) const DNSKEY: u16 = 48;

impl Packet {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let end = question_end(bytes);
        let count = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let mut at = end;
        let mut section = |n: u16| (0..n).map(|_| record(bytes, &mut at)).collect();
        let (answer, authority) = (section(count(6)), section(count(8)));
        Self { head: bytes[..end].to_vec(), answer, authority }
    }

    /// This packet as the answer to `question`.
    pub(crate) fn answering(mut self, question: &[u8]) -> Self {
        let flags = [self.head[2], self.head[3]];
        self.head = question[..question_end(question)].to_vec();
        self.head[2..4].copy_from_slice(&flags);
        self
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let mut out = self.head.clone();
        out[6..8].copy_from_slice(&(self.answer.len() as u16).to_be_bytes());
        out[8..10].copy_from_slice(&(self.authority.len() as u16).to_be_bytes());
        out[10..12].copy_from_slice(&[0, 0]);
        for record in self.answer.iter().chain(&self.authority) {
            out.extend_from_slice(&record.owner);
            out.extend_from_slice(&record.rr_type.to_be_bytes());
            out.extend_from_slice(&[0, 1]);
            out.extend_from_slice(&record.ttl.to_be_bytes());
            out.extend_from_slice(&(record.rdata.len() as u16).to_be_bytes());
            out.extend_from_slice(&record.rdata);
        }
        out
    }

    pub(crate) fn without(mut self, rr_type: u16) -> Self {
        self.answer.retain(|record| record.rr_type != rr_type);
        self.authority.retain(|record| record.rr_type != rr_type);
        self
    }
}

/// The type asked for.
pub(crate) fn asked_type(question: &[u8]) -> u16 {
    let end = question_end(question);
    u16::from_be_bytes([question[end - 4], question[end - 3]])
}

/// The name asked for, on the wire.
pub(crate) fn asked_name(question: &[u8]) -> &[u8] {
    &question[12..question_end(question) - 4]
}

/// A question with DO for `name` (dotted text) and `rr_type`.
pub(crate) fn question(name: &str, rr_type: u16) -> Vec<u8> {
    let mut out = vec![7, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    out.extend(wire(name));
    out.extend_from_slice(&rr_type.to_be_bytes());
    out.extend_from_slice(&[0, 1, 0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0]);
    out
}

pub(crate) fn wire(name: &str) -> Vec<u8> {
    let labels = name.trim_end_matches('.').split('.');
    labels.flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).chain([0]).collect()
}

/// Where the records begin.
pub(crate) fn question_end(bytes: &[u8]) -> usize {
    let mut at = 12;
    name(bytes, &mut at);
    at + 4
}

/// Where the answer section ends.
pub(crate) fn answer_end(bytes: &[u8]) -> usize {
    let mut at = question_end(bytes);
    for _ in 0..u16::from_be_bytes([bytes[6], bytes[7]]) {
        record(bytes, &mut at);
    }
    at
}

fn record(bytes: &[u8], at: &mut usize) -> Record {
    let owner = name(bytes, at);
    let fixed = &bytes[*at..*at + 10];
    let length = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
    let rr_type = u16::from_be_bytes([fixed[0], fixed[1]]);
    let ttl = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
    *at += 10 + length;
    Record { owner, rr_type, ttl, rdata: bytes[*at - length..*at].to_vec() }
}

fn name(bytes: &[u8], at: &mut usize) -> Vec<u8> {
    let (mut out, mut from, mut jumped) = (vec![], *at, false);
    loop {
        let length = usize::from(bytes[from]);
        if length >= 0xc0 {
            if !jumped {
                *at = from + 2;
            }
            jumped = true;
            from = (length & 0x3f) << 8 | usize::from(bytes[from + 1]);
            continue;
        }
        out.extend_from_slice(&bytes[from..=from + length]);
        from += length + 1;
        if length == 0 {
            break;
        }
    }
    if !jumped {
        *at = from;
    }
    out
}
