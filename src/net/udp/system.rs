//! The system's calls that have no safe door: many datagrams at a time, options of sockets, a thread's processor.
#![allow(unsafe_code)] // the one waiver of the house

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use std::thread;
use std::time::Duration;

use super::packet::{Asker, BATCH, Packet};
use super::{Answers, Post, Queries, Wait};

/// How long a thread waits for a packet before it looks whether it is to stop; and for room to send.
pub(super) const STOP_LOOK: Duration = Duration::from_millis(100);
/// How long it rests when the system gives neither packets nor patience (out of memory, say): no spinning.
const REST: Duration = Duration::from_millis(10);
/// Room for one control message with an address of either family: 40 octets at most, in units that are aligned for it.
type Control = [u64; 8];

/// A socket and what its calls need.
pub(super) struct Mailbox {
    socket: UdpSocket,
    /// Whether the socket has every address of the machine, so that each answer must say whence it comes.
    wildcard: bool,
    calls: Box<Calls>,
}

/// Headers as `recvmmsg` and `sendmmsg` want them. Every pointer in them is set anew for each call.
struct Calls {
    headers: [libc::mmsghdr; BATCH],
    parts: [libc::iovec; BATCH],
    names: [Name; BATCH],
    controls: [Control; BATCH],
}

/// An address in the system's form: the family says which.
#[repr(C)]
#[derive(Clone, Copy)]
union Name {
    family: libc::sa_family_t,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl Mailbox {
    /// The mailbox of a bound socket, which is made to give up waiting after [`STOP_LOOK`].
    pub(super) fn new(socket: UdpSocket) -> Self {
        // These fail only on a descriptor that is no socket.
        let _ = socket.set_read_timeout(Some(STOP_LOOK));
        let _ = socket.set_write_timeout(Some(STOP_LOOK));
        let wildcard = socket.local_addr().is_ok_and(|address| address.ip().is_unspecified());
        // SAFETY: all of it is integers and raw pointers, for which zero octets are a value.
        Self { socket, wildcard, calls: Box::new(unsafe { zeroed() }) }
    }
}

impl Post for Mailbox {
    fn receive(&mut self, queries: &mut Queries, wait: Wait) {
        let (fd, wildcard) = (self.socket.as_raw_fd(), self.wildcard);
        let flags = match wait {
            Wait::ForOne => libc::MSG_WAITFORONE,
            Wait::Not => libc::MSG_DONTWAIT,
        };
        queries.refill(|packets| self.calls.receive(fd, packets, flags, wildcard).unwrap_or_else(nothing_came));
    }

    fn send(&mut self, answers: &mut Answers) {
        self.calls.send(self.socket.as_raw_fd(), answers.iter().as_slice());
        answers.clear();
    }
}

/// A timeout, a signal, or an ICMP error of an earlier answer: go on. Anything else may last: rest, then go on.
fn nothing_came(error: io::Error) -> usize {
    if !matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused
    ) {
        thread::sleep(REST);
    }
    0
}

impl Calls {
    /// Takes what is there into `packets`; says how many came. A longer packet than the room is cut.
    fn receive<const ROOM: usize>(
        &mut self,
        fd: RawFd,
        packets: &mut [Packet<ROOM>],
        flags: libc::c_int,
        wildcard: bool,
    ) -> io::Result<usize> {
        let count = packets.len().min(BATCH);
        for (i, packet) in packets.iter_mut().take(count).enumerate() {
            self.parts[i] = libc::iovec { iov_base: packet.room().as_mut_ptr().cast(), iov_len: ROOM };
            // Both lengths are values and results, so they must be set for every call.
            self.address(i, size_of::<Name>(), if wildcard { size_of::<Control>() } else { 0 });
        }
        // SAFETY: the first `count` headers point to names, controls and parts of `self` and to rooms of `packets`, all of
        // them borrowed for longer than the call, each with its own length; nothing else refers to them meanwhile.
        let came = unsafe { libc::recvmmsg(fd, self.headers.as_mut_ptr(), count as _, flags as _, ptr::null_mut()) };
        let came = usize::try_from(came).map_err(|_| io::Error::last_os_error())?;
        for (i, packet) in packets.iter_mut().take(came).enumerate() {
            let header = &self.headers[i];
            let at = if wildcard { asked_at(&header.msg_hdr) } else { None };
            // Without an address there is nobody to answer: port 0, which is dropped.
            let from = self.names[i].read().unwrap_or_else(|| (Ipv4Addr::UNSPECIFIED, 0).into());
            packet.stamp(Asker { from, at }, header.msg_len as usize);
        }
        Ok(came)
    }

    /// Sends all packets that can be sent. An answer that cannot be (no route, forged broadcast address, full queue) is lost.
    fn send<const ROOM: usize>(&mut self, fd: RawFd, packets: &[Packet<ROOM>]) {
        let count = packets.len().min(BATCH);
        for (i, packet) in packets.iter().take(count).enumerate() {
            let octets = packet.octets();
            self.parts[i] = libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() };
            let name_octets = self.names[i].write(packet.asker.from);
            let control_octets = packet.asker.at.map_or(0, |at| answered_from(&mut self.controls[i], at));
            self.address(i, name_octets, control_octets);
        }
        let mut sent = 0;
        while sent < count {
            // SAFETY: as in `receive`; `sent < count`, so the pointer stays inside; the call only reads the rooms.
            let more = unsafe { libc::sendmmsg(fd, self.headers.as_mut_ptr().add(sent), (count - sent) as _, 0) };
            match usize::try_from(more) {
                Ok(more) if more > 0 => sent += more,
                _ => match io::Error::last_os_error().kind() {
                    io::ErrorKind::Interrupted => {}
                    // The queue stayed full for as long as we wait: the rest would fare no better.
                    io::ErrorKind::WouldBlock => return,
                    _ => sent += 1,
                },
            }
        }
    }

    /// Points header `i` to its name, its part and its control message, as long as given.
    fn address(&mut self, i: usize, name_octets: usize, control_octets: usize) {
        let header = &mut self.headers[i].msg_hdr;
        header.msg_name = ptr::from_mut(&mut self.names[i]).cast();
        header.msg_namelen = name_octets as _;
        header.msg_iov = &mut self.parts[i];
        header.msg_iovlen = 1;
        header.msg_control =
            if control_octets == 0 { ptr::null_mut() } else { ptr::from_mut(&mut self.controls[i]).cast() };
        header.msg_controllen = control_octets as _;
        header.msg_flags = 0;
    }
}

impl Name {
    fn read(&self) -> Option<SocketAddr> {
        // SAFETY: the union was zeroed once and is written to by the system and by `write` alone, so that all its octets
        // always are initialised; every octet pattern is a value of all three fields.
        unsafe {
            match libc::c_int::from(self.family) {
                libc::AF_INET => {
                    let address = Ipv4Addr::from(u32::from_be(self.v4.sin_addr.s_addr));
                    Some(SocketAddrV4::new(address, u16::from_be(self.v4.sin_port)).into())
                }
                libc::AF_INET6 => {
                    let (address, port) = (Ipv6Addr::from(self.v6.sin6_addr.s6_addr), u16::from_be(self.v6.sin6_port));
                    Some(SocketAddrV6::new(address, port, self.v6.sin6_flowinfo, self.v6.sin6_scope_id).into())
                }
                _ => None,
            }
        }
    }

    /// Says how many octets it takes.
    fn write(&mut self, address: SocketAddr) -> usize {
        match address {
            SocketAddr::V4(address) => {
                self.v4 = libc::sockaddr_in {
                    sin_family: libc::AF_INET as _,
                    sin_port: address.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
                    sin_zero: [0; 8],
                };
                size_of::<libc::sockaddr_in>()
            }
            SocketAddr::V6(address) => {
                self.v6 = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as _,
                    sin6_port: address.port().to_be(),
                    sin6_flowinfo: address.flowinfo(),
                    sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                    sin6_scope_id: address.scope_id(),
                };
                size_of::<libc::sockaddr_in6>()
            }
        }
    }
}

/// The address of ours that a packet came to, from its control messages (ip(7), RFC 3542 6.2).
fn asked_at(header: &libc::msghdr) -> Option<IpAddr> {
    // SAFETY: `header` has just been filled by the system: its control messages lie within `msg_controllen` octets of a
    // `Control`, which the macros keep to; the data of these two types is long enough and is read without alignment.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(head) = message.as_ref() {
            match (head.cmsg_level, head.cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info: libc::in_pktinfo = ptr::read_unaligned(libc::CMSG_DATA(message).cast());
                    return Some(Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr)).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info: libc::in6_pktinfo = ptr::read_unaligned(libc::CMSG_DATA(message).cast());
                    return Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                }
                _ => message = libc::CMSG_NXTHDR(header, message),
            }
        }
        None
    }
}

/// Writes the control message that makes a packet leave from `at`; says how long it is. The interface is the route's choice.
fn answered_from(control: &mut Control, at: IpAddr) -> usize {
    match at {
        IpAddr::V4(at) => {
            let ipi_spec_dst = libc::in_addr { s_addr: u32::from(at).to_be() };
            let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst, ipi_addr: libc::in_addr { s_addr: 0 } };
            put_control(control, libc::IPPROTO_IP, libc::IP_PKTINFO, info)
        }
        IpAddr::V6(at) => {
            let ipi6_addr = libc::in6_addr { s6_addr: at.octets() };
            let info = libc::in6_pktinfo { ipi6_addr, ipi6_ifindex: 0 };
            put_control(control, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
        }
    }
}

fn put_control<T>(control: &mut Control, level: libc::c_int, kind: libc::c_int, data: T) -> usize {
    const { assert!(size_of::<libc::cmsghdr>() + 2 * size_of::<u64>() + size_of::<T>() <= size_of::<Control>()) };
    // SAFETY: the assertion leaves room for head, data and padding; `Control` is aligned for the head, the data is written
    // without alignment; CMSG_SPACE and CMSG_LEN only calculate.
    unsafe {
        let header = libc::msghdr {
            msg_control: ptr::from_mut(control).cast(),
            msg_controllen: size_of::<Control>() as _,
            ..zeroed()
        };
        let head = libc::CMSG_FIRSTHDR(&header);
        (*head).cmsg_level = level;
        (*head).cmsg_type = kind;
        (*head).cmsg_len = libc::CMSG_LEN(size_of::<T>() as _) as _;
        ptr::write_unaligned(libc::CMSG_DATA(head).cast(), data);
        libc::CMSG_SPACE(size_of::<T>() as _) as usize
    }
}

/// Never shrinks or fragments answers for what an ICMP message says: it may be forged (RFC 9715 3.1, R2).
pub(in crate::net) fn ignore_path_mtu(socket: &impl AsRawFd, address: SocketAddr) -> io::Result<()> {
    match address {
        SocketAddr::V4(_) => set(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT),
        SocketAddr::V6(_) => set(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_OMIT),
    }
}

/// Makes the system say at which address each packet came in, so that its answer leaves from there.
pub(in crate::net) fn tell_asked_address(socket: &impl AsRawFd, address: SocketAddr) -> io::Result<()> {
    match address {
        SocketAddr::V4(_) => set(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
        SocketAddr::V6(_) => set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
    }
}

fn set(socket: &impl AsRawFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let octets = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the value is a c_int that outlives the call, and its length is given.
    match unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, ptr::from_ref(&value).cast(), octets) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Binds the calling thread to one of the processors that it may run on, the `i`-th in turn.
pub(in crate::net) fn pin_this_thread(i: usize) -> io::Result<()> {
    // SAFETY: `cpu_set_t` is an array of integers; the calls are given its size and stay inside; CPU_ISSET and CPU_SET are
    // handed numbers below CPU_SETSIZE.
    unsafe {
        let mut allowed: libc::cpu_set_t = zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut allowed) != 0 {
            return Err(io::Error::last_os_error());
        }
        let processors = (0..libc::CPU_SETSIZE as usize).filter(|cpu| libc::CPU_ISSET(*cpu, &allowed));
        let turn = i % (libc::CPU_COUNT(&allowed) as usize).max(1);
        let mut one: libc::cpu_set_t = zeroed();
        processors.skip(turn).take(1).for_each(|cpu| libc::CPU_SET(cpu, &mut one));
        match libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &one) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(ours: &str, theirs: &str) -> (Mailbox, UdpSocket) {
        let socket = UdpSocket::bind(ours).unwrap();
        let client = UdpSocket::bind(theirs).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        (Mailbox::new(socket), client)
    }

    #[test]
    fn what_cannot_be_sent_does_not_stop_the_rest() {
        let (mut mailbox, client) = pair("127.0.0.1:0", "127.0.0.1:0");
        let mut answers = Answers::new();
        for to in ["255.255.255.255:53".parse().unwrap(), client.local_addr().unwrap(), "[::1]:53".parse().unwrap()] {
            for octet in 0..2 {
                answers.push(Asker { from: to, at: None }, |room| {
                    room[0] = octet;
                    Some(1)
                });
            }
        }
        mailbox.send(&mut answers);
        let mut octet = [9; 1];
        for sent in 0..2 {
            assert_eq!(client.recv(&mut octet).unwrap(), 1);
            assert_eq!(octet, [sent]);
        }
        assert_eq!(answers.iter().len(), 0);
    }

    #[test]
    fn a_batch_comes_whole_and_what_is_too_long_is_cut() {
        let (mut mailbox, client) = pair("127.0.0.1:0", "127.0.0.1:0");
        client.connect(mailbox.socket.local_addr().unwrap()).unwrap();
        let sent: Vec<Vec<u8>> = [3, 0, 5_000].map(|octets: usize| vec![octets as u8; octets]).into();
        for packet in &sent {
            client.send(packet).unwrap();
        }
        let (mut queries, mut came) = (Queries::new(), Vec::new());
        while came.len() < sent.len() {
            mailbox.receive(&mut queries, Wait::ForOne);
            assert!(queries.iter().all(|query| query.asker.from == client.local_addr().unwrap()));
            came.extend(queries.iter().map(|query| query.octets().to_vec()));
        }
        assert_eq!(came[..2], sent[..2]);
        assert_eq!(came[2], sent[2][..super::super::QUERY_OCTETS_MAX]);
        mailbox.receive(&mut queries, Wait::Not);
        assert_eq!(queries.iter().len(), 0);
    }

    #[test]
    fn addresses_and_control_messages_come_back_as_they_went() {
        for (from, at) in [("192.0.2.1:53", "127.0.0.9"), ("[2001:db8::1%7]:65535", "::1")] {
            let (from, at): (SocketAddr, IpAddr) = (from.parse().unwrap(), at.parse().unwrap());
            // SAFETY: integers and null pointers.
            let mut calls: Box<Calls> = Box::new(unsafe { zeroed() });
            let name_octets = calls.names[3].write(from);
            let control_octets = answered_from(&mut calls.controls[3], at);
            calls.address(3, name_octets, control_octets);
            assert_eq!(calls.names[3].read(), Some(from));
            assert_eq!(asked_at(&calls.headers[3].msg_hdr), Some(at));
        }
    }

    #[test]
    fn a_forged_icmp_message_changes_no_path() {
        for (address, level, name, omit) in [
            ("127.0.0.1:0", libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT),
            ("[::1]:0", libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_OMIT),
        ] {
            let Ok(sockets) = crate::net::bind::bind(address.parse().unwrap(), 1) else {
                assert!(address.starts_with('['), "this machine has IPv4");
                continue;
            };
            let (mut value, mut octets) = (-1, size_of::<libc::c_int>() as libc::socklen_t);
            // SAFETY: room for one c_int, and its length.
            let got = unsafe {
                let value = ptr::from_mut::<libc::c_int>(&mut value).cast();
                libc::getsockopt(sockets.udp[0].as_raw_fd(), level, name, value, &mut octets)
            };
            assert_eq!((got, value), (0, omit));
        }
    }
}
