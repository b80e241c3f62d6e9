using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Channels;
using System.Threading.Tasks;

namespace GodotSDK.Tests;

internal sealed record Request(string Method, string Path, string Query, Dictionary<string, string> Headers, string Body);

internal sealed record Response(int Status, string Body = "{}", string Headers = "");

/// <summary>
/// A server that does what a test tells it to, right or wrong. Frames are made and read by hand, so that it can also send what no
/// proper server would; it knows the protocol's shapes, but no game.
/// </summary>
internal sealed class FakeServer : IDisposable
{
    private const string Magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

    private readonly Channel<Peer> peers = Channel.CreateUnbounded<Peer>();
    private readonly ConcurrentBag<TcpClient> connections = [];
    private TcpListener listener;

    public FakeServer(int port = 0)
    {
        listener = new TcpListener(IPAddress.Loopback, port);
        listener.Start();
        Port = ((IPEndPoint)listener.LocalEndpoint).Port;
        _ = AcceptAsync();
    }

    public int Port { get; }

    public string Url => $"http://127.0.0.1:{Port}";

    public ConcurrentQueue<Request> Requests { get; } = new();

    /// <summary>"POST /api/rpc" → an answer.</summary>
    public ConcurrentDictionary<string, Func<Request, Task<Response>>> Routes { get; } = new();

    /// <summary>An answer that refuses an upgrade; null accepts it.</summary>
    public Func<Request, Response?> OnUpgrade { get; set; } = _ => null;

    /// <summary>The subprotocol that is chosen; null for none.</summary>
    public string? Protocol { get; set; } = "godra";

    public void Route(string call, Response response) => Routes[call] = _ => Task.FromResult(response);

    public int Calls(string call) => Requests.Count(request => $"{request.Method} {request.Path}" == call);

    /// <summary>The next WebSocket that was accepted and not yet handed out.</summary>
    public async Task<Peer> NextPeerAsync() => await peers.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(10));

    public void Dispose()
    {
        listener.Stop();
        foreach (var connection in connections) connection.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await listener.AcceptTcpClientAsync();
                connections.Add(client);
                _ = ServeAsync(client);
            }
        }
        catch (Exception)
        {
            // Stopped.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        try
        {
            client.NoDelay = true;
            var stream = client.GetStream();
            while (await ReadRequestAsync(stream) is Request request)
            {
                Requests.Enqueue(request);
                if (request.Headers.ContainsKey("upgrade"))
                {
                    if (OnUpgrade(request) is not Response refusal)
                    {
                        await UpgradeAsync(client, stream, request);
                        return;
                    }
                    await WriteAsync(stream, refusal);
                }
                else
                {
                    var route = Routes.GetValueOrDefault($"{request.Method} {request.Path}");
                    await WriteAsync(stream, route == null ? NotFound : await route(request));
                }
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or SocketException)
        {
            // The client is gone.
        }
        client.Dispose();
    }

    private static Response NotFound => new(404, """{"error":{"code":"not_found","message":"No such path"}}""");

    private static async Task WriteAsync(Stream stream, Response response)
    {
        var body = Encoding.UTF8.GetBytes(response.Body);
        var head = $"HTTP/1.1 {response.Status} Said\r\nContent-Length: {body.Length}\r\n{response.Headers}\r\n";
        await stream.WriteAsync(Encoding.ASCII.GetBytes(head).Concat(body).ToArray());
    }

    private async Task UpgradeAsync(TcpClient client, Stream stream, Request request)
    {
        var accept = Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(request.Headers["sec-websocket-key"] + Magic)));
        var head = $"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n";
        head += Protocol == null ? "\r\n" : $"Sec-WebSocket-Protocol: {Protocol}\r\n\r\n";
        await stream.WriteAsync(Encoding.ASCII.GetBytes(head));
        var peer = new Peer(client, stream, request);
        _ = peer.ReadAllAsync();
        await peers.Writer.WriteAsync(peer);
    }

    private static async Task<Request?> ReadRequestAsync(Stream stream)
    {
        var head = new List<byte>();
        var one = new byte[1];
        while (head.Count < 4 || !head.TakeLast(4).SequenceEqual("\r\n\r\n"u8.ToArray()))
        {
            if (await stream.ReadAsync(one) == 0) return null;
            head.Add(one[0]);
        }
        var lines = Encoding.ASCII.GetString(head.ToArray()).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        var headers = lines.Skip(1).Select(line => line.Split(": ", 2)).GroupBy(pair => pair[0].ToLowerInvariant())
            .ToDictionary(group => group.Key, group => string.Join(", ", group.Select(pair => pair[1])));
        var body = new byte[int.Parse(headers.GetValueOrDefault("content-length", "0"))];
        await stream.ReadExactlyAsync(body);
        var words = lines[0].Split(' ');
        var target = words[1].Split('?', 2);
        return new Request(words[0], target[0], target.Length > 1 ? target[1] : "", headers, Encoding.UTF8.GetString(body));
    }
}
