//! Seeded randomness and hand-made messages for tests.

/// A small generator: the same seed, the same numbers.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 8
    }

    /// A number below `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// `good` with some bytes changed, cut out, doubled or put in.
    pub(super) fn mangle(&mut self, good: &[u8]) -> Vec<u8> {
        let mut bytes = good.to_vec();
        for _ in 0..=self.below(8) {
            let at = self.below(bytes.len() + 1);
            let byte = match self.below(4) {
                0 => self.pick(b"\n\r\t #.:%[];\0\x01\x0c\xc0\xff"),
                1 => self.pick(good),
                _ => self.next() as u8,
            };
            match self.below(6) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, byte),
                2 if at < bytes.len() => drop(bytes.remove(at)),
                3 => bytes.extend_from_within(at..),
                _ if at < bytes.len() => bytes[at] = byte,
                _ => {}
            }
            bytes.truncate(2000);
        }
        bytes
    }
}

/// A question as a server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::net) struct Asked {
    pub(in crate::net) id: u16,
    pub(in crate::net) name: String,
    pub(in crate::net) kind: &'static str,
    pub(in crate::net) edns: bool,
    /// Where the question section ends.
    end: usize,
}

impl Asked {
    /// Reads a question that is known to be well formed.
    pub(in crate::net) fn parse(message: &[u8]) -> Self {
        let word = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
        assert_eq!((word(2), word(4), word(6), word(8)), (0x0100, 1, 0, 0), "flags RD, one question, nothing else");
        let (mut at, mut labels) = (12, Vec::new());
        while message[at] != 0 {
            let end = at + 1 + usize::from(message[at]);
            labels.push(String::from_utf8(message[at + 1..end].to_vec()).unwrap());
            at = end;
        }
        let kind = if word(at + 1) == 28 { "AAAA" } else { "A" };
        assert_eq!((word(at + 1), word(at + 3)), (if kind == "A" { 1 } else { 28 }, 1), "type and class");
        let (end, edns) = (at + 5, word(10) == 1);
        let opt: &[u8] = if edns { &[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0] } else { &[] };
        assert_eq!(&message[end..], opt, "nothing, or EDNS0 with 1232 bytes");
        Self { id: word(0), name: labels.join("."), kind, edns, end }
    }
}

fn encode_name(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|l| !l.is_empty());
    let mut bytes: Vec<u8> = labels.flat_map(|l| [&[l.len() as u8], l.as_bytes()].concat()).collect();
    bytes.push(0);
    bytes
}

/// An answer to `query`, from words parted by semicolons: `nx servfail refused formerr notimp badvers tc lame bare`, and
/// records: `@ A 192.0.2.1 60`, `@ CNAME x.example 60`, `SOA 60 30` (time to live, minimum), `@ MX "" 60`. `@` is the
/// name asked for.
pub(in crate::net) fn answer(query: &[u8], spec: &str) -> Vec<u8> {
    let asked = Asked::parse(query);
    let mut flags = 0x8180u16;
    let (mut bare, mut opt_rcode) = (false, None);
    let (mut answers, mut authority, mut sections) = (0u16, 0u16, [Vec::new(), Vec::new()]);
    for part in spec.split(';').map(str::trim).filter(|p| !p.is_empty()) {
        let words: Vec<&str> = part.split_whitespace().collect();
        match words[..] {
            ["nx"] => flags |= 3,
            ["servfail"] => flags |= 2,
            ["refused"] => flags |= 5,
            ["formerr"] => flags |= 1,
            ["notimp"] => flags |= 4,
            ["badvers"] => opt_rcode = Some(1u8),
            ["tc"] => flags |= 0x0200,
            ["lame"] => flags &= !0x0080,
            ["bare"] => bare = true,
            ["SOA", ttl, minimum] => {
                authority += 1;
                let mut rdata = [encode_name("ns.example"), encode_name("root.example")].concat();
                rdata.extend([1, 2, 3, 4, minimum.parse().unwrap()].into_iter().flat_map(u32::to_be_bytes));
                sections[1].extend(record(&encode_name("example"), 6, ttl, &rdata));
            }
            [owner, kind, value, ttl] => {
                answers += 1;
                let owner = if owner == "@" { vec![0xc0, 12] } else { encode_name(owner) };
                let (kind, rdata) = match kind {
                    "A" => (1, value.parse::<std::net::Ipv4Addr>().unwrap().octets().to_vec()),
                    "AAAA" => (28, value.parse::<std::net::Ipv6Addr>().unwrap().octets().to_vec()),
                    "CNAME" if value == "@" => (5, vec![0xc0, 12]),
                    "CNAME" => (5, encode_name(value)),
                    _ => (kind.parse().unwrap_or(15), value.as_bytes().to_vec()),
                };
                sections[0].extend(record(&owner, kind, ttl, &rdata));
            }
            _ => panic!("{part}"),
        }
    }
    let counts = [u16::from(!bare), answers, authority, u16::from(opt_rcode.is_some())];
    let mut bytes = [asked.id, flags].into_iter().chain(counts).flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    bytes.extend_from_slice(if bare { &[] } else { &query[12..asked.end] });
    bytes.extend(sections.concat());
    bytes.extend(opt_rcode.iter().flat_map(|high| [0, 0, 41, 4, 0xd0, *high, 0, 0, 0, 0, 0]));
    bytes
}

fn record(owner: &[u8], kind: u16, ttl: &str, rdata: &[u8]) -> Vec<u8> {
    let ttl: u32 = ttl.parse().unwrap();
    let length = (rdata.len() as u16).to_be_bytes();
    [owner, &kind.to_be_bytes(), &[0, 1], &ttl.to_be_bytes(), &length, rdata].concat()
}
