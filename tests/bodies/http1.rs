//! A client of HTTP/1.1 on a bare socket, which takes nothing for an end that is none.

use std::io;
use std::net::SocketAddr;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// A connection, and what of a response has been read on it.
pub(crate) struct Http1 {
    stream: TcpStream,
    buffer: BytesMut,
    left: Left,
    /// The most that is read at once.
    most: usize,
    pub(crate) trailers: HeaderMap,
}

/// What is left of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Length(u64),
    /// The line with the size of a chunk.
    Size,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    Nothing,
}

impl Http1 {
    /// Connects. With little `room` for what is not read yet, it is read in sips of a quarter.
    pub(crate) async fn open(address: SocketAddr, room: Option<u32>) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(room) = room {
            socket.set_recv_buffer_size(room)?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: BytesMut::new(),
            left: Left::Nothing,
            most: room.map_or(16 << 10, |room| room as usize / 4),
            trailers: HeaderMap::new(),
        })
    }

    /// Sends a request.
    pub(crate) async fn ask(&mut self, request: &http::Request<()>) -> io::Result<()> {
        let uri = request.uri();
        let host = uri.authority().map_or("", |authority| authority.as_str());
        let method = request.method();
        let path = uri
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str);
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n");
        for (name, value) in request.headers() {
            let value = value.to_str().map_err(io::Error::other)?;
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        self.stream.write_all(text.as_bytes()).await
    }

    /// Reads the head of the response to a request with a body, or without.
    pub(crate) async fn head(&mut self, with_body: bool) -> io::Result<(u16, HeaderMap)> {
        let line = self.line().await?;
        let status = line.get(9..12).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other("no status line"))?;
        let fields = self.fields().await?;
        let length = fields.get("content-length");
        self.left = match length.and_then(|length| length.to_str().ok()) {
            _ if !with_body => Left::Nothing,
            Some(length) => Left::Length(length.parse().map_err(io::Error::other)?),
            None if fields.get("transfer-encoding").is_some() => Left::Size,
            None => return Err(io::Error::other("a body without an end")),
        };
        Ok((status, fields))
    }

    /// The next piece of the body; `None` at its clean end.
    pub(crate) async fn piece(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            match self.left {
                Left::Nothing | Left::Length(0) => return Ok(None),
                Left::Length(left) => {
                    let piece = self.some_of(left).await?;
                    self.left = Left::Length(left - piece.len() as u64);
                    return Ok(Some(piece));
                }
                Left::Size => {
                    let line = self.line().await?;
                    let size = u64::from_str_radix(&line, 16).map_err(io::Error::other)?;
                    self.left = match size {
                        0 => Left::Trailers,
                        size => Left::Chunk(size),
                    };
                }
                Left::Chunk(0) => self.left = Left::ChunkEnd,
                Left::Chunk(left) => {
                    let piece = self.some_of(left).await?;
                    self.left = Left::Chunk(left - piece.len() as u64);
                    return Ok(Some(piece));
                }
                Left::ChunkEnd => {
                    if !self.line().await?.is_empty() {
                        return Err(io::Error::other("a chunk that is longer than its size"));
                    }
                    self.left = Left::Size;
                }
                Left::Trailers => {
                    self.trailers = self.fields().await?;
                    self.left = Left::Nothing;
                }
            }
        }
    }

    async fn some_of(&mut self, most: u64) -> io::Result<Bytes> {
        if self.buffer.is_empty() {
            self.more().await?;
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let count = self.buffer.len().min(most);
        Ok(self.buffer.split_to(count).freeze())
    }

    async fn fields(&mut self) -> io::Result<HeaderMap> {
        let mut fields = HeaderMap::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(fields);
            }
            let (name, value) = line.split_once(": ").unwrap_or((&line, ""));
            let name: http::HeaderName = name.parse().map_err(io::Error::other)?;
            fields.append(name, value.parse().map_err(io::Error::other)?);
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line = self.buffer.split_to(end);
                self.buffer.advance(2);
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        let mut room = (&mut self.buffer).limit(self.most);
        match self.stream.read_buf(&mut room).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
