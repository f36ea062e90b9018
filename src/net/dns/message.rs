//! DNS messages: a question out, what an answer says in.
//!
//! Owns the coding; the only module that names the crate for it. Does not keep state. Always true: what a [`Reply`] says was
//! said about the very question asked (id, name in any case, type, class), and every other message is `None`. Worst
//! case: no memory but the addresses taken ([`MAX_ADDRS`] × 17 bytes); time for [`MAX_CHAIN`] + 1 walks over
//! [`MAX_RECORDS`] records.
//!
//! Why is it so?
//! * *Why domain and not simple-dns?* simple-dns builds every record and label before one may look: 12 hostile bytes
//!   cost it 9.4 MB, and one odd record in a section nobody reads loses the answer. domain reads in place.
//! * *Why may a refusal lack the question?* Servers too old for EDNS answer FORMERR with the header alone. Whoever can
//!   forge the id and the port can forge the question as well.

use super::family::Family;
use domain::base::iana::{Class, Opcode, OptRcode, Rcode};
use domain::base::message::RecordSection;
use domain::base::{Message, MessageBuilder, Name, NameBuilder, ParsedName, Rtype, ToName};
use domain::dep::octseq::Array;
use domain::rdata::{A, Aaaa, Cname, Soa};
use std::net::IpAddr;

/// The longest message taken, over UDP or TCP: room for 140 addresses.
pub const MAX_MESSAGE: usize = 4096;
/// What we tell servers to keep to over UDP (DNS flag day 2020: passes everywhere in one fragment).
const UDP_PAYLOAD: u16 = 1232;
/// Addresses taken from an answer; nobody dials more.
pub(super) const MAX_ADDRS: usize = 8;
/// Records looked at in a section.
const MAX_RECORDS: usize = 128;
/// Aliases followed.
const MAX_CHAIN: usize = 8;
/// Header, longest name, type and class, OPT record.
const MAX_QUESTION: usize = 12 + 255 + 4 + 11;

type Encoded = Name<Array<255>>;
type Read<'a> = ParsedName<&'a [u8]>;

/// A question under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) id: u16,
    pub(super) name: &'a str,
    pub(super) family: Family,
}

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// At least one address, to be kept for `ttl` seconds.
    Addrs { addrs: Vec<IpAddr>, ttl: u32 },
    /// There is no such name or no such address of it; to be kept for `ttl` seconds if there was a SOA record.
    Nothing { ttl: Option<u32> },
    /// Does not fit: ask over TCP.
    Truncated,
    /// FORMERR, NOTIMP or BADVERS: it may understand a plainer question.
    Plainer,
    /// It cannot tell (SERVFAIL, REFUSED), or what it tells makes no sense.
    Failed,
}

impl Question<'_> {
    /// The message that asks, for recursion and with EDNS0 if wanted. `None`: the name cannot be encoded.
    pub(super) fn encode(&self, edns: bool) -> Option<Vec<u8>> {
        let mut message = MessageBuilder::from_target(Array::<MAX_QUESTION>::new()).ok()?.question();
        message.header_mut().set_id(self.id);
        message.header_mut().set_rd(true);
        message.push((encode_name(self.name)?, self.rtype())).ok()?;
        let mut message = message.additional();
        if edns {
            let opt = message.opt(|opt| {
                opt.set_udp_payload_size(UDP_PAYLOAD);
                Ok(())
            });
            opt.ok()?;
        }
        Some(message.finish().as_ref().to_vec())
    }

    /// What `bytes` says about this question; `None` if it is no answer to it.
    pub(super) fn decode(&self, bytes: &[u8]) -> Option<Reply> {
        let message = Message::from_octets(bytes).ok()?;
        let header = message.header();
        if header.id() != self.id || !header.qr() || header.opcode() != Opcode::QUERY {
            return None;
        }
        let rcode = header.rcode();
        let Some(name) = self.asked_in(&message) else {
            let bare = message.header_counts().qdcount() == 0 && !matches!(rcode, Rcode::NOERROR | Rcode::NXDOMAIN);
            return bare.then(|| refusal(rcode));
        };
        Some(match rcode {
            Rcode::NOERROR if message.opt_rcode() == OptRcode::BADVERS => Reply::Plainer,
            Rcode::NOERROR | Rcode::NXDOMAIN if header.tc() => Reply::Truncated,
            Rcode::NOERROR => self.answer(&message, name).unwrap_or(Reply::Failed),
            Rcode::NXDOMAIN => Reply::Nothing { ttl: negative_ttl(&message) },
            _ => refusal(rcode),
        })
    }

    fn rtype(&self) -> Rtype {
        match self.family {
            Family::V6 => Rtype::AAAA,
            Family::V4 => Rtype::A,
        }
    }

    /// The name in the question section, if that is our question and no other.
    fn asked_in<'a>(&self, message: &Message<&'a [u8]>) -> Option<Read<'a>> {
        let question = message.sole_question().ok()?;
        let ours = question.qtype() == self.rtype()
            && question.qclass() == Class::IN
            && question.qname().name_eq(&encode_name(self.name)?);
        ours.then(|| *question.qname())
    }

    /// Follows aliases from `name` and takes the addresses at their end. `None`: a record is broken.
    fn answer(&self, message: &Message<&[u8]>, name: Read<'_>) -> Option<Reply> {
        let section = message.answer().ok()?;
        if section.take(MAX_RECORDS).any(|record| record.is_err()) {
            return None;
        }
        let (mut name, mut ttl) = (name, u32::MAX);
        for _ in 0..MAX_CHAIN {
            let Some((target, its_ttl)) = alias(section, name) else { break };
            (name, ttl) = (target, ttl.min(its_ttl));
        }
        let mut addrs = Vec::new();
        for (addr, its_ttl) in self.addresses(section, name) {
            ttl = ttl.min(its_ttl);
            if !addrs.contains(&addr) && addrs.len() < MAX_ADDRS {
                addrs.push(addr);
            }
        }
        Some(if addrs.is_empty() { nothing(message) } else { Reply::Addrs { addrs, ttl } })
    }

    /// The addresses of `owner` and their times to live.
    fn addresses<'a>(&self, section: Records<'a>, owner: Read<'a>) -> impl Iterator<Item = (IpAddr, u32)> + use<'a> {
        let family = self.family;
        let records =
            section.take(MAX_RECORDS).flatten().filter(move |r| r.class() == Class::IN && r.owner().name_eq(&owner));
        records.filter_map(move |record| {
            let ip = match family {
                Family::V6 => IpAddr::from(record.to_record::<Aaaa>().ok()??.data().addr()),
                Family::V4 => IpAddr::from(record.to_record::<A>().ok()??.data().addr()),
            };
            Some((ip, seconds(record.ttl().as_secs())))
        })
    }
}

type Records<'a> = RecordSection<'a, &'a [u8]>;

/// Where `owner` points, and for how long.
fn alias<'a>(section: Records<'a>, owner: Read<'a>) -> Option<(Read<'a>, u32)> {
    section.take(MAX_RECORDS).flatten().find_map(|record| {
        let ours = record.class() == Class::IN && record.owner().name_eq(&owner);
        let record = if ours { record.to_record::<Cname<_>>().ok()?? } else { return None };
        Some((*record.data().cname(), seconds(record.ttl().as_secs())))
    })
}

/// No address: the name has none, unless the server only points to others without having asked them.
fn nothing(message: &Message<&[u8]>) -> Reply {
    let (header, ttl) = (message.header(), negative_ttl(message));
    let lame = ttl.is_none() && !header.aa() && !header.ra();
    if lame { Reply::Failed } else { Reply::Nothing { ttl } }
}

/// How long the absence may be kept (RFC 2308 §5).
fn negative_ttl(message: &Message<&[u8]>) -> Option<u32> {
    let soa = message.authority().ok()?.take(MAX_RECORDS).flatten().find_map(|r| r.into_record::<Soa<_>>().ok()?)?;
    Some(seconds(soa.ttl().as_secs()).min(seconds(soa.data().minimum().as_secs())))
}

/// A time to live with the top bit set counts as zero (RFC 2181 §8).
fn seconds(ttl: u32) -> u32 {
    i32::try_from(ttl).map_or(0, i32::cast_unsigned)
}

fn refusal(rcode: Rcode) -> Reply {
    match rcode {
        Rcode::FORMERR | Rcode::NOTIMP => Reply::Plainer,
        _ => Reply::Failed,
    }
}

fn encode_name(name: &str) -> Option<Encoded> {
    let mut builder = NameBuilder::<Array<255>>::new();
    for label in name.split('.') {
        builder.append_label(label.as_bytes()).ok()?;
    }
    builder.into_name().ok()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Asked, Dice, answer};
    use super::*;

    const V4: Question<'_> = Question { id: 0x1234, name: "frps.example.com", family: Family::V4 };
    const V6: Question<'_> = Question { id: 0x1235, name: "frps.example.com", family: Family::V6 };

    fn reply(question: Question<'_>, spec: &str) -> Option<Reply> {
        question.decode(&answer(&question.encode(true).unwrap(), spec))
    }

    fn addrs(question: Question<'_>, spec: &str) -> (String, u32) {
        match reply(question, spec) {
            Some(Reply::Addrs { addrs, ttl }) => {
                (addrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), ttl)
            }
            other => panic!("{spec}: {other:?}"),
        }
    }

    #[test]
    fn questions_are_as_on_the_wire() {
        let golden = b"\x12\x34\x01\x00\x00\x01\0\0\0\0\0\x01\x04frps\x07example\x03com\0\0\x01\0\x01\0\0\x29\x04\xd0\0\0\0\0\0\0";
        assert_eq!(V4.encode(true).unwrap(), golden);
        let plain = Asked::parse(&V6.encode(false).unwrap());
        assert_eq!((plain.name.as_str(), plain.kind, plain.edns), ("frps.example.com", "AAAA", false));
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert_eq!(Question { name: &longest, ..V4 }.encode(true).unwrap().len(), MAX_QUESTION);
        assert!(Question { name: &format!("a{label}.x"), ..V4 }.encode(true).is_none());
    }

    #[test]
    fn addresses_are_taken_in_order_with_the_shortest_life() {
        assert_eq!(
            addrs(V4, "@ A 192.0.2.9 60; @ A 192.0.2.1 30; @ A 192.0.2.9 90"),
            ("192.0.2.9 192.0.2.1".into(), 30)
        );
        assert_eq!(addrs(V6, "@ AAAA 2001:db8::1 5; @ A 192.0.2.1 1"), ("2001:db8::1".into(), 5));
        assert_eq!(
            addrs(V4, "@ MX x 1; other.example A 192.0.2.7 1; FRPS.example.COM A 192.0.2.1 7"),
            ("192.0.2.1".into(), 7)
        );
        assert_eq!(addrs(V4, "@ A 192.0.2.1 2147483648"), ("192.0.2.1".into(), 0), "the top bit makes it zero");
    }

    #[test]
    fn aliases_are_followed_in_any_order_up_to_eight() {
        let two = "b.example A 192.0.2.1 50; A.example CNAME b.example 20; @ CNAME a.EXAMPLE 90";
        assert_eq!(addrs(V4, two), ("192.0.2.1".into(), 20));
        let chain = |n: u32| {
            let links: String = (1..n).map(|i| format!("; n{i}.x CNAME n{}.x 60", i + 1)).collect();
            format!("@ CNAME n1.x 60{links}; n{n}.x A 192.0.2.1 60")
        };
        assert_eq!(addrs(V4, &chain(8)).0, "192.0.2.1");
        assert_eq!(reply(V4, &chain(9)), Some(Reply::Nothing { ttl: None }));
        assert_eq!(reply(V4, "@ CNAME @ 60"), Some(Reply::Nothing { ttl: None }));
        assert_eq!(reply(V4, "@ CNAME a.x 60; a.x CNAME @ 60; SOA 9 9"), Some(Reply::Nothing { ttl: Some(9) }));
    }

    #[test]
    fn absence_has_the_life_of_the_soa() {
        assert_eq!(reply(V4, "SOA 60 20"), Some(Reply::Nothing { ttl: Some(20) }));
        assert_eq!(reply(V4, "nx; SOA 10 20"), Some(Reply::Nothing { ttl: Some(10) }));
        assert_eq!(reply(V4, "nx"), Some(Reply::Nothing { ttl: None }));
        assert_eq!(reply(V4, ""), Some(Reply::Nothing { ttl: None }));
        assert_eq!(reply(V6, "@ A 192.0.2.1 60"), Some(Reply::Nothing { ttl: None }), "the wrong kind of address");
        assert_eq!(reply(V4, "lame"), Some(Reply::Failed), "neither an authority nor a resolver");
        assert_eq!(reply(V4, "lame; SOA 60 20"), Some(Reply::Nothing { ttl: Some(20) }));
    }

    #[test]
    fn refusals_of_every_kind() {
        for (spec, is) in [
            ("servfail", Reply::Failed),
            ("refused", Reply::Failed),
            ("formerr", Reply::Plainer),
            ("notimp", Reply::Plainer),
            ("badvers", Reply::Plainer),
            ("bare; formerr", Reply::Plainer),
            ("bare; servfail", Reply::Failed),
            ("tc", Reply::Truncated),
            ("tc; @ A 192.0.2.1 60", Reply::Truncated),
            ("tc; servfail", Reply::Failed),
        ] {
            assert_eq!(reply(V4, spec), Some(is), "{spec}");
        }
        assert_eq!(reply(V4, "bare"), None);
        assert_eq!(reply(V4, "bare; nx"), None);
    }

    #[test]
    fn answers_to_other_questions_are_none() {
        let query = V4.encode(true).unwrap();
        let good = answer(&query, "@ A 192.0.2.1 60");
        assert!(V4.decode(&good).is_some());
        assert_eq!(Question { id: 0x1235, ..V4 }.decode(&good), None);
        assert_eq!(Question { id: 0x1234, ..V6 }.decode(&good), None);
        assert_eq!(Question { name: "frps.example.co", ..V4 }.decode(&good), None);
        assert!(Question { name: "frps.example.com", ..V4 }.decode(&good.to_ascii_uppercase()).is_some());
        // Not an answer, another opcode, another class, a second question; then: no header.
        for (at, byte) in [(2, 0x01), (2, 0x89), (33, 3), (5, 2)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert_eq!(V4.decode(&bad), None, "{at}");
        }
        assert_eq!(V4.decode(&query), None);
        assert_eq!(V4.decode(&good[..11]), None);
        assert_eq!(V4.decode(&[]), None);
    }

    #[test]
    fn an_answer_cut_short_is_a_failure() {
        let query = V4.encode(true).unwrap();
        let good = answer(&query, "@ A 192.0.2.1 60");
        let question = answer(&query, "").len();
        for end in question..good.len() {
            assert_eq!(V4.decode(&good[..end]), Some(Reply::Failed), "{end}");
        }
        (0..question).for_each(|end| assert_eq!(V4.decode(&good[..end]), None, "{end}"));
    }

    #[test]
    fn no_more_is_taken_than_anybody_needs() {
        let many: String = (0..100).map(|i| format!("@ A 10.0.0.{i} 60;")).collect();
        assert_eq!(addrs(V4, &many).0.split(' ').count(), MAX_ADDRS);
        let late: String = (0..MAX_RECORDS).map(|i| format!("n{i} A 10.0.0.1 60;")).collect();
        assert_eq!(reply(V4, &format!("{late} @ A 192.0.2.1 60")), Some(Reply::Nothing { ttl: None }));
    }

    #[test]
    fn arbitrary_bytes_do_no_harm() {
        let mut dice = Dice::new(13);
        let query = V4.encode(true).unwrap();
        let seeds = [
            "@ A 192.0.2.1 60",
            "@ CNAME a.x 60; a.x CNAME b.x 60; b.x A 192.0.2.1 60; SOA 60 60",
            "nx; SOA 60 60; badvers",
            "@ AAAA ::1 60; @ 41 xxxx 60; @ 6 xxxxx 60",
        ]
        .map(|spec| answer(&query, spec));
        for _ in 0..3000 {
            let seed = dice.below(seeds.len());
            let mut bytes = dice.mangle(&seeds[seed]);
            if dice.below(4) > 0 {
                let keep = bytes.len().min(38);
                bytes[..keep].copy_from_slice(&seeds[seed][..keep]);
            }
            V4.decode(&bytes);
        }
    }
}
