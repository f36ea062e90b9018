//! A proxy as frpc's API defines it (config §5.5).
//!
//! Owns the order and the presence of the members, which are those of frpc. Does not read definitions. Always true: a
//! running proxy is shown with its defaults filled in. Worst case: the text.

use crate::config::Proxy;
use crate::wire::json::Json;
use crate::wire::msg::Map;

/// Fills the object.
pub(super) fn write(proxy: &Proxy, j: &mut Json) {
    let kind = proxy.kind.name();
    j.key("name").text(&proxy.name);
    j.key("type").text(kind);
    j.key(kind).object(|j| block(proxy, kind, j));
}

/// The members that tcp proxies have; there is no other kind to show yet.
fn block(proxy: &Proxy, kind: &str, j: &mut Json) {
    let announce = &proxy.announce.unpack();
    j.key("name").text(&proxy.name);
    j.key("type").text(kind);
    map("annotations", &announce.annotations, j);
    j.key("transport").object(|j| {
        for (key, on) in [("useEncryption", announce.use_encryption), ("useCompression", announce.use_compression)] {
            if on {
                j.key(key).flag(true);
            }
        }
        let mode = if announce.bandwidth_limit_mode.is_empty() { "client" } else { &announce.bandwidth_limit_mode };
        j.key("bandwidthLimit").text(&announce.bandwidth_limit);
        j.key("bandwidthLimitMode").text(mode);
    });
    map("metadatas", &announce.metas, j);
    j.key("loadBalancer").object(|j| {
        j.key("group").text(&announce.group);
        if !announce.group_key.is_empty() {
            j.key("groupKey").text(&announce.group_key);
        }
    });
    j.key("healthCheck").object(|j| {
        j.key("type").text("");
        j.key("intervalSeconds").number(0);
    });
    j.key("localIP").text(&proxy.local_host);
    if proxy.local_port > 0 {
        j.key("localPort").number(proxy.local_port.into());
    }
    j.key("plugin").number_or_null(None);
    if let Some(port) = u64::try_from(announce.remote_port).ok().filter(|port| *port > 0) {
        j.key("remotePort").number(port);
    }
}

fn map(key: &str, map: &Map, j: &mut Json) {
    if !map.is_empty() {
        j.key(key).object(|j| {
            for (key, value) in map {
                j.key(key).text(value);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers of frpc 0.70.1 to the same files.
    #[test]
    fn it_is_frpc_s() {
        let written = |lines: &str| {
            let text = format!("[[proxies]]\ntype = \"tcp\"\nlocalPort = 22\n{lines}");
            let config = crate::config::parse("frpc.toml", &text).unwrap().config;
            let mut json = Json::default();
            json.object(|j| write(&config.proxies[0], j));
            String::from_utf8(json.into_body()).unwrap()
        };
        assert_eq!(
            written("name = \"a\""),
            "{\"name\":\"a\",\"type\":\"tcp\",\"tcp\":{\"name\":\"a\",\"type\":\"tcp\",\"transport\":{\"bandwidthLimit\":\
             \"\",\"bandwidthLimitMode\":\"client\"},\"loadBalancer\":{\"group\":\"\"},\"healthCheck\":{\"type\":\"\",\
             \"intervalSeconds\":0},\"localIP\":\"127.0.0.1\",\"localPort\":22,\"plugin\":null}}\n"
        );
        let lines = "name = \"b<&>\"\nlocalIP = \"10.0.0.1\"\nremotePort = 17950\nmetadatas.k = \"v\"\n\
                     annotations.\"x/y\" = \"z\"\nloadBalancer.group = \"g\"\nloadBalancer.groupKey = \"gk\"\n\
                     [proxies.transport]\nuseEncryption = true\nuseCompression = true\nbandwidthLimit = \"1MB\"\n\
                     bandwidthLimitMode = \"server\"\n";
        assert_eq!(
            written(lines),
            "{\"name\":\"b\\u003c\\u0026\\u003e\",\"type\":\"tcp\",\"tcp\":{\"name\":\"b\\u003c\\u0026\\u003e\",\"type\":\
             \"tcp\",\"annotations\":{\"x/y\":\"z\"},\"transport\":{\"useEncryption\":true,\"useCompression\":true,\
             \"bandwidthLimit\":\"1MB\",\"bandwidthLimitMode\":\"server\"},\"metadatas\":{\"k\":\"v\"},\"loadBalancer\":\
             {\"group\":\"g\",\"groupKey\":\"gk\"},\"healthCheck\":{\"type\":\"\",\"intervalSeconds\":0},\"localIP\":\
             \"10.0.0.1\",\"localPort\":22,\"plugin\":null,\"remotePort\":17950}}\n"
        );
    }
}
