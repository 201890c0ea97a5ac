//! A man in the middle on loopback: hands questions on over UDP and TCP, and may change what comes back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Gets question and answer; returns what the asker receives, or nothing for silence. Its thread is called `udp` or `tcp`.
pub(crate) type Tamper = dyn Fn(&[u8], Vec<u8>) -> Option<Vec<u8>> + Send + Sync;

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

const PATIENCE: Duration = Duration::from_millis(20);

impl Proxy {
    pub(crate) fn start(upstream: SocketAddr, tamper: Arc<Tamper>) -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            let address = udp.local_addr().expect("bound");
            if let Ok(tcp) = TcpListener::bind(address) {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().expect("bound");
        let stop = Arc::new(AtomicBool::new(false));
        udp.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let udp_thread = std::thread::Builder::new().name("udp".into()).spawn({
            let (stop, tamper) = (Arc::clone(&stop), Arc::clone(&tamper));
            move || serve_udp(&udp, upstream, &*tamper, &stop)
        });
        let tcp_thread = std::thread::Builder::new().name("tcp".into()).spawn({
            let stop = Arc::clone(&stop);
            move || serve_tcp(&tcp, upstream, &*tamper, &stop)
        });
        let threads = [udp_thread, tcp_thread].map(|thread| thread.expect("a thread")).into();
        Self { address, stop, threads }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // wakes the listener
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn serve_udp(socket: &UdpSocket, upstream: SocketAddr, tamper: &Tamper, stop: &AtomicBool) {
    let mut buffer = [0u8; 4096];
    while !stop.load(Ordering::SeqCst) {
        let Ok((length, asker)) = socket.recv_from(&mut buffer) else { continue };
        let question = &buffer[..length];
        if let Some(answer) = ask_udp(upstream, question).and_then(|answer| tamper(question, answer)) {
            let _ = socket.send_to(&answer, asker);
        }
    }
}

pub(crate) fn ask_udp(upstream: SocketAddr, question: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    socket.send_to(question, upstream).ok()?;
    let mut buffer = vec![0u8; 4096];
    let (length, _) = socket.recv_from(&mut buffer).ok()?;
    buffer.truncate(length);
    Some(buffer)
}

fn serve_tcp(listener: &TcpListener, upstream: SocketAddr, tamper: &Tamper, stop: &AtomicBool) {
    for stream in listener.incoming() {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let _ = stream.and_then(|stream| relay(stream, upstream, tamper));
    }
}

fn relay(mut asker: TcpStream, upstream: SocketAddr, tamper: &Tamper) -> std::io::Result<()> {
    asker.set_read_timeout(Some(Duration::from_secs(2)))?;
    let question = read_framed(&mut asker)?;
    let mut server = TcpStream::connect(upstream)?;
    server.set_read_timeout(Some(Duration::from_secs(2)))?;
    write_framed(&mut server, &question)?;
    let answer = read_framed(&mut server)?;
    match tamper(&question, answer) {
        Some(answer) => write_framed(&mut asker, &answer),
        None => Ok(()),
    }
}

fn read_framed(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0u8; 2];
    stream.read_exact(&mut length)?;
    let mut bytes = vec![0u8; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn write_framed(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(&[&(bytes.len() as u16).to_be_bytes(), bytes].concat())
}
