//! Proves the addresses of dialers, without a state for any of them.
//!
//! The answer to a ClientHello asks for a cookie: it is a HelloVerifyRequest of DTLS 1.2, or a
//! HelloRetryRequest of DTLS 1.3.  `dimpl` makes the cookie with a secret of each connection.
//! Here it is made with one key and the address of the peer instead, so any machine of a listener
//! makes and accepts the same one.  The second ClientHello is the first one with the cookie: the
//! machine of the connection is made when it comes, and gets both.

use std::cell::Cell;
use std::time::Instant;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::fill;
use dimpl::crypto::aws_lc_rs::default_provider;
use dimpl::crypto::{CryptoProvider, HashAlgorithm, HmacProvider};
use dimpl::{CryptoError, Output};

use super::RtcConfig;
use super::connection::Connection;

/// The seconds after which cookies are made with another seed: they are good for one to two
/// times as long.
const PERIOD: f64 = 30.0;

/// The bytes of a cookie.
type Cookie = [u8; 32];

/// The bytes of an answer, at the most.
const ANSWER: usize = 512;

/// The bytes of the headers of a record and of a message in it.
const RECORD: usize = 13;
const MESSAGE: usize = 12;

/// A record of a handshake, and the first message of one.
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// The bytes of the version and the random ones, with which a ClientHello begins.
const HEAD: usize = 34;

/// The extensions with the cookie of DTLS 1.3 (RFC 9147, 5.1), and with zeros.
const COOKIE_EXTENSION: usize = 44;
const PADDING: usize = 21;

/// The kind of a first datagram; the numbers are those of Python.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No whole ClientHello.
    Part = 0,
    /// A ClientHello without a cookie.
    First = 1,
    /// One with the cookie of its address.
    Proven = 2,
    /// One with another cookie.
    False = 3,
}

/// A ClientHello that is alone in its datagram.
struct Hello<'a> {
    cookie: Option<&'a [u8]>,
    /// The datagrams that may have been the one without the cookie.
    firsts: Vec<Vec<u8>>,
}

/// Reads bytes from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (found, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(found)
    }

    /// Take a number of one to three bytes.
    fn number(&mut self, size: usize) -> Option<usize> {
        let bytes = self.take(size)?;
        Some(bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    }

    /// Take what has its size before it.
    fn vector(&mut self, size: usize) -> Option<&'a [u8]> {
        let size = self.number(size)?;
        self.take(size)
    }
}

fn read(data: &[u8]) -> Option<Hello<'_>> {
    let mut reader = Reader(data);
    let record = reader.take(RECORD)?;
    let message = reader.take(MESSAGE)?;
    let body = reader.0;
    let whole = [&[CLIENT_HELLO][..], &size(body, 3)].concat();
    let good = record[0] == HANDSHAKE
        && record[11..] == size(&data[RECORD..], 2)
        && message[..4] == whole[..]
        && message[6..9] == [0; 3]
        && message[9..] == whole[1..];
    if !good {
        return None;
    }
    let head = reader.take(HEAD)?;
    let session = reader.vector(1)?;
    let mut cookie = Some(reader.vector(1)?).filter(|each| !each.is_empty());
    let suites = reader.vector(2)?;
    let methods = reader.vector(1)?;
    let middle = [
        head,
        &size(session, 1),
        session,
        &[0],
        &size(suites, 2),
        suites,
        &size(methods, 1),
        methods,
    ]
    .concat();
    let (mut extensions, mut padded, mut removed) = (Vec::new(), None, 0);
    if !reader.0.is_empty() {
        let mut rest = Reader(reader.vector(2)?);
        while !rest.0.is_empty() {
            let before = rest.0;
            let kind = rest.number(2)?;
            let value = rest.vector(2)?;
            if kind == COOKIE_EXTENSION {
                cookie = Some(Reader(value).vector(2)?);
                removed += 4 + value.len();
                continue;
            }
            if kind == PADDING {
                padded = Some((extensions.len() + 2, value.len()));
            }
            extensions.extend(&before[..4 + value.len()]);
        }
        if !reader.0.is_empty() {
            return None;
        }
    }
    let first = |extensions: &[u8]| {
        let body = [&middle, &size(extensions, 2)[..], extensions].concat();
        datagram(&record[..5], &body)
    };
    let mut firsts = vec![first(&extensions)];
    if let Some((place, length)) = padded.filter(|_| removed > 0) {
        // Both were filled up to the same size.
        let end = place + 2 + length;
        extensions.splice(end..end, std::iter::repeat_n(0, removed));
        let length = size(&extensions[place + 2..end + removed], 2);
        extensions.splice(place..place + 2, length);
        firsts.push(first(&extensions));
    }
    Some(Hello { cookie, firsts })
}

/// Make the first datagram of a peer.
fn datagram(record: &[u8], body: &[u8]) -> Vec<u8> {
    let length = size(body, 3);
    let head = [&[CLIENT_HELLO][..], &length, &[0; 5], &length].concat();
    [record, &[0; 6], &((MESSAGE + body.len()) as u16).to_be_bytes(), &head, body].concat()
}

/// The size of something, as a number of some bytes.
fn size(data: &[u8], bytes: usize) -> Vec<u8> {
    data.len().to_be_bytes()[size_of::<usize>() - bytes..].to_vec()
}

thread_local! {
    /// The cookie of the peer whose datagrams a machine gets now.
    static MAKING: Cell<Option<Cookie>> = const { Cell::new(None) };
}

/// HMAC as always, but for the cookies of peers without a connection.
#[derive(Debug)]
struct Cookies;

impl HmacProvider for Cookies {
    /// Make a cookie: nothing else calls this.
    fn hmac_sha256(&self, key: &[u8], random: &[u8]) -> Result<Cookie, CryptoError> {
        let hmac = default_provider().hmac_provider;
        MAKING.get().map_or_else(|| hmac.hmac_sha256(key, random), Ok)
    }

    fn hmac(
        &self,
        hash: HashAlgorithm,
        key: &[u8],
        data: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CryptoError> {
        default_provider().hmac_provider.hmac(hash, key, data, out)
    }
}

/// The cryptography of all machines.
pub fn provider() -> CryptoProvider {
    CryptoProvider { hmac_provider: &Cookies, ..default_provider() }
}

/// The key of the cookies of one listener.
pub struct Prover {
    key: hmac::Key,
}

impl Prover {
    /// Make a prover with a new key; None if the system has no random bytes.
    pub fn new() -> Option<Self> {
        let mut secret = [0; 32];
        fill(&mut secret).ok()?;
        Some(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &secret) })
    }

    /// Make the cookie of a peer, which depends on its first datagram.
    fn cookie(&self, now: f64, source: &[u8], first: &[u8]) -> Cookie {
        let period = (now / PERIOD).floor() as i64;
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&period.to_be_bytes());
        context.update(&first[RECORD..]);
        context.update(source);
        let mut cookie = Cookie::default();
        cookie.copy_from_slice(context.sign().as_ref());
        cookie
    }

    /// Return the cookie of a peer and its first datagram, if the cookie is valid.
    fn proven(&self, now: f64, source: &[u8], hello: Hello) -> Option<(Cookie, Vec<u8>)> {
        let given = hello.cookie?;
        hello.firsts.into_iter().find_map(|first| {
            [now, now - PERIOD]
                .into_iter()
                .find_map(|then| {
                    let cookie = self.cookie(then, source, &first);
                    verify_slices_are_equal(&cookie, given).ok().map(|()| cookie)
                })
                .map(|cookie| (cookie, first))
        })
    }

    /// Judge a first datagram.
    pub fn judge(&self, now: f64, source: &[u8], data: &[u8]) -> Kind {
        let Some(hello) = read(data) else { return Kind::Part };
        if hello.cookie.is_none() {
            return Kind::First;
        }
        match self.proven(now, source, hello) {
            Some(_) => Kind::Proven,
            None => Kind::False,
        }
    }

    /// Make the answer that asks for a cookie.
    pub fn ask(&self, config: &RtcConfig, now: f64, source: &[u8], data: &[u8]) -> Option<Vec<u8>> {
        let mut hello = read(data).filter(|hello| hello.cookie.is_none())?;
        let first = hello.firsts.pop()?;
        let cookie = self.cookie(now, source, &first);
        let answer = making(cookie, || answer(config, &first))?;
        (answer.len() <= data.len()).then_some(answer)
    }

    /// Make the connection of a peer with a proof.
    pub fn resume(
        &self,
        config: &RtcConfig,
        now: f64,
        at: Instant,
        source: &[u8],
        data: &[u8],
    ) -> Option<Connection> {
        let (cookie, first) = self.proven(now, source, read(data)?)?;
        making(cookie, || {
            let mut made = Connection::new(config, at, false);
            made.receive(at, &first);
            // The peer has had the answer.
            made.out.clear();
            made.receive(at, data);
            Some(made)
        })
    }
}

/// Let machines make a cookie during some work.
fn making<T>(cookie: Cookie, work: impl FnOnce() -> T) -> T {
    /// Ends it, after a panic as well.
    struct End;
    impl Drop for End {
        fn drop(&mut self) {
            MAKING.set(None);
        }
    }
    MAKING.set(Some(cookie));
    let _end = End;
    work()
}

/// Make the answer of a machine to a first ClientHello.
fn answer(config: &RtcConfig, first: &[u8]) -> Option<Vec<u8>> {
    let now = Instant::now();
    let mut dtls = config.machine(now, false);
    dtls.handle_timeout(now).ok()?;
    dtls.handle_packet(first).ok()?;
    let mut buffer = [0; ANSWER];
    let mut found = None;
    loop {
        match dtls.poll_output(&mut buffer) {
            Output::Packet(packet) if found.is_none() => found = Some(packet.to_vec()),
            Output::Timeout(_) => return found,
            Output::Packet(_) | Output::BufferTooSmall { .. } => return None,
            _ => {}
        }
    }
}
