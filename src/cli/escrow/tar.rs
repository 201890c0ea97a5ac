//! Files one after another in the format of tar (POSIX ustar), so that stock tools take a deposit apart.

use std::io::{self, Read, Write};

use crate::cli::report::Failure;

const BLOCK: usize = 512;
/// Where the fields of a header begin, and how long they are.
const NAME: std::ops::Range<usize> = 0..100;
const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const KIND: usize = 156;
const MAGIC: std::ops::Range<usize> = 257..265;
/// What eleven octal digits hold; larger sizes are binary, as GNU and others write them.
const OCTAL_MAX: u64 = 0o77_777_777_777;

/// Writes an archive.
pub(super) struct Writer<W: Write> {
    out: W,
    time_s: u64,
}

impl<W: Write> Writer<W> {
    /// All of whose files are of this time, Unix seconds.
    pub(super) fn new(out: W, time_s: u64) -> Self {
        Self { out, time_s }
    }

    /// A file of `size` octets from `content`, which must have as many.
    pub(super) fn file(&mut self, name: &str, size: u64, content: impl Read) -> Result<(), Failure> {
        self.out.write_all(&header(name, size, self.time_s)?)?;
        let written = io::copy(&mut content.take(size), &mut self.out)?;
        if written != size {
            return Err(Failure::new(format!("{name} became shorter while it was read")));
        }
        Ok(self.out.write_all(&vec![0; padding(size)])?)
    }

    /// Writes the end.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        Ok(self.out)
    }
}

fn padding(size: u64) -> usize {
    (BLOCK - (size % BLOCK as u64) as usize) % BLOCK
}

fn header(name: &str, size: u64, time_s: u64) -> Result<[u8; BLOCK], Failure> {
    if name.len() > NAME.len() {
        return Err(Failure::new(format!("{name:?} is too long a name for an archive: 100 octets")));
    }
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000600\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(136, &format!("{:011o}\0", time_s.min(OCTAL_MAX)));
    put(CHECKSUM.start, "        ");
    put(KIND, "0");
    put(MAGIC.start, "ustar\x0000");
    match size {
        0..=OCTAL_MAX => put(SIZE.start, &format!("{size:011o}\0")),
        _ => {
            block[SIZE.start] = 0x80;
            block[SIZE.end - 8..SIZE.end].copy_from_slice(&size.to_be_bytes());
        }
    }
    let sum = format!("{:06o}\0 ", checksum(&block));
    block[CHECKSUM].copy_from_slice(sum.as_bytes());
    Ok(block)
}

/// The sum of a header's octets, its own field taken for spaces.
fn checksum(block: &[u8; BLOCK]) -> u32 {
    let of = |(at, octet): (usize, &u8)| if CHECKSUM.contains(&at) { u32::from(b' ') } else { u32::from(*octet) };
    block.iter().enumerate().map(of).sum()
}

/// Reads an archive of plain files, and of nothing else.
pub(super) struct Reader<R: Read> {
    input: R,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input }
    }

    /// The next file: its name and size. Its octets are to be read next, and no more, with [`Reader::content`]. None: the end,
    /// after which nothing else may come.
    pub(super) fn next(&mut self) -> Result<Option<(String, u64)>, Failure> {
        let mut block = [0; BLOCK];
        self.input.read_exact(&mut block)?;
        if block == [0; BLOCK] {
            let mut rest = Vec::new();
            (&mut self.input).take(2 * BLOCK as u64).read_to_end(&mut rest)?;
            return if rest == [0; BLOCK] { Ok(None) } else { Err(damaged("something follows its end")) };
        }
        let sum = octal(&block[CHECKSUM]).ok_or_else(|| damaged("the sum of a header"))?;
        if sum != u64::from(checksum(&block)) || &block[MAGIC] != b"ustar\x0000" || block[KIND] != b'0' {
            return Err(damaged("a header"));
        }
        let size = match block[SIZE.start] {
            0x80 => block[SIZE].last_chunk().copied().map(u64::from_be_bytes),
            _ => octal(&block[SIZE]),
        };
        let name = block[NAME].split(|octet| *octet == 0).next().unwrap_or_default();
        let name = std::str::from_utf8(name).map_err(|_| damaged("a name"))?.to_owned();
        Ok(Some((name, size.ok_or_else(|| damaged("a size"))?)))
    }

    /// Hands the octets of the file to `take`, which must read all of them.
    pub(super) fn content<T>(
        &mut self,
        size: u64,
        take: impl FnOnce(&mut dyn Read) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut content = (&mut self.input).take(size);
        let taken = take(&mut content)?;
        if content.limit() != 0 {
            return Err(damaged("it ends in the middle of a file"));
        }
        let mut rest = [0; BLOCK];
        self.input.read_exact(&mut rest[..padding(size)])?;
        Ok(taken)
    }
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches([' ', '\0']);
    u64::from_str_radix(text, 8).ok()
}

fn damaged(what: &str) -> Failure {
    Failure::new(format!("the archive in it is not as this program writes it: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_sizes_are_binary_and_read_back() {
        for size in [0, 511, OCTAL_MAX, OCTAL_MAX + 1, 1 << 40] {
            let block = header("data/ledger.sqlite", size, 1_800_000_000).unwrap();
            let mut reader = Reader::new(&block[..]);
            assert_eq!(reader.next().unwrap(), Some(("data/ledger.sqlite".to_owned(), size)));
        }
    }

    #[test]
    fn what_is_not_written_here_is_not_read() {
        let mut out = Writer::new(Vec::new(), 0);
        out.file("a", 3, &b"abc"[..]).unwrap();
        let whole = out.finish().unwrap();
        let read = |octets: &[u8]| -> Result<Vec<u8>, Failure> {
            let mut reader = Reader::new(octets);
            let mut all = Vec::new();
            while let Some((_, size)) = reader.next()? {
                reader.content(size, |content| Ok(content.read_to_end(&mut all)?))?;
            }
            Ok(all)
        };
        assert_eq!(read(&whole).unwrap(), b"abc");
        for cut in [0, 100, BLOCK, BLOCK + 2, 2 * BLOCK, whole.len() - 1] {
            assert!(read(&whole[..cut]).is_err(), "{cut}");
        }
        assert!(read(&[&whole[..], b"x"].concat()).is_err());
        let mut link = whole.clone();
        link[KIND] = b'2';
        assert!(read(&link).is_err());
    }
}
