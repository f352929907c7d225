//! A REST client by hand: one connection for each question, and an error where the program is gone.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// Longest wait for an answer; above the longest `?wait=` used.
const PATIENCE: Duration = Duration::from_secs(40);

/// The REST side of a program, asked with one key.
#[derive(Debug, Clone)]
pub struct Rest {
    at: SocketAddr,
    key: String,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub json: Value,
}

impl Answer {
    /// The body of what went well.
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.json
    }
}

impl Rest {
    pub fn new(at: SocketAddr, key: &str) -> Self {
        Self { at, key: key.to_owned() }
    }

    /// Asks; an error where the program is not there or dies over it.
    pub fn ask(&self, method: &str, path: &str, once: Option<&str>, body: &str) -> io::Result<Answer> {
        let mut stream = TcpStream::connect(self.at)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let once = once.map(|key| format!("Idempotency-Key: {key}\r\n")).unwrap_or_default();
        write!(
            stream,
            "{method} /api/v1{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{once}Connection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.at,
            self.key,
            body.len()
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let cut_off = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let (head, body) = text.split_once("\r\n\r\n").ok_or_else(cut_off)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(cut_off)?;
        let json = if body.is_empty() { Value::Null } else { serde_json::from_str(body).map_err(|_| cut_off())? };
        Ok(Answer { status, json })
    }

    /// What is shown there.
    pub fn get(&self, path: &str) -> Value {
        self.ask("GET", path, None, "").unwrap().ok()
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, None, &body.to_string()).unwrap()
    }

    pub fn post_once(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.ask("POST", path, Some(key), &body.to_string()).unwrap()
    }

    /// Enters something; its identifier.
    pub fn id(&self, path: &str, body: &Value) -> String {
        self.post(path, body).ok()["id"].as_str().unwrap().to_owned()
    }
}
