using System;
using System.Buffers.Binary;
using System.IO;
using System.Linq;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using System.Threading.Channels;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace GodotSDK.Tests;

/// <summary>The server's end of one WebSocket.</summary>
internal sealed class Peer(TcpClient client, Stream stream, Request request)
{
    public const byte Text = 1;
    public const byte Binary = 2;
    private const byte Close = 8;

    private readonly Channel<JObject> messages = Channel.CreateUnbounded<JObject>();
    private readonly TaskCompletionSource<int> closed = new();
    private readonly SemaphoreSlim writing = new(1);

    public Request Request { get; } = request;

    /// <summary>The close code that the client sent; 1006 without one.</summary>
    public Task<int> Closed => closed.Task;

    public string? Token => Request.Headers["sec-websocket-protocol"].Split(", ").FirstOrDefault(one => one.StartsWith("bearer."))?[7..];

    /// <summary>Whether the client's messages are answered at all.</summary>
    public Action<JObject> OnMessage { get; set; } = _ => { };

    public async Task<JObject> ReceiveAsync() => await messages.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(10));

    public bool HasMessage => messages.Reader.TryPeek(out _);

    public Task SendAsync(string json) => SendFrameAsync(Text, Encoding.UTF8.GetBytes(json));

    public Task WelcomeAsync(string more = "") => SendAsync($$$"""
        {"type":"welcome","payload":{"user_id":"guest:1","username":"Guest","role":"guest","game_id":"a","epoch":"e1","seq":0,"n":0,
        "recovered":false,"state":{},"sync_interval_ms":50{{{(more == "" ? "" : "," + more)}}}}}
        """);

    public Task CloseAsync(int code, string reason = "")
    {
        var bytes = new byte[2].Concat(Encoding.UTF8.GetBytes(reason)).ToArray();
        BinaryPrimitives.WriteUInt16BigEndian(bytes, (ushort)code);
        return SendFrameAsync(Close, bytes);
    }

    /// <summary>Ends it without a word.</summary>
    public void Cut()
    {
        client.Client.LingerState = new LingerOption(true, 0);
        client.Close();
    }

    /// <summary>Sends what the caller has made frames of.</summary>
    public Task SendBytesAsync(byte[] frames) => stream.WriteAsync(frames, 0, frames.Length);

    public async Task SendFrameAsync(byte opcode, byte[] bytes, bool isLast = true)
    {
        var head = new byte[bytes.Length < 126 ? 2 : bytes.Length < 65536 ? 4 : 10];
        head[0] = (byte)((isLast ? 0x80 : 0) | opcode);
        head[1] = (byte)(head.Length == 2 ? bytes.Length : head.Length == 4 ? 126 : 127);
        if (head.Length == 4) BinaryPrimitives.WriteUInt16BigEndian(head.AsSpan(2), (ushort)bytes.Length);
        if (head.Length == 10) BinaryPrimitives.WriteInt64BigEndian(head.AsSpan(2), bytes.Length);
        await writing.WaitAsync();
        try
        {
            await stream.WriteAsync(head);
            await stream.WriteAsync(bytes);
        }
        finally
        {
            writing.Release();
        }
    }

    public async Task ReadAllAsync()
    {
        try
        {
            while (await ReadFrameAsync()) { }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or EndOfStreamException)
        {
            // Cut.
        }
        closed.TrySetResult(1006);
        messages.Writer.TryComplete();
        client.Dispose();
    }

    private async Task<bool> ReadFrameAsync()
    {
        var head = new byte[2];
        await stream.ReadExactlyAsync(head);
        var length = await ReadLengthAsync(head[1] & 0x7f);
        var mask = new byte[4];
        await stream.ReadExactlyAsync(mask);
        var bytes = new byte[length];
        await stream.ReadExactlyAsync(bytes);
        for (var at = 0; at < bytes.Length; at++) bytes[at] ^= mask[at % 4];
        var opcode = head[0] & 0x0f;
        if (opcode == Text)
        {
            var message = JObject.Parse(Encoding.UTF8.GetString(bytes));
            messages.Writer.TryWrite(message);
            OnMessage(message);
        }
        if (opcode != Close) return true;
        closed.TrySetResult(bytes.Length >= 2 ? BinaryPrimitives.ReadUInt16BigEndian(bytes) : 1005);
        try
        {
            await SendFrameAsync(Close, bytes);
        }
        catch (IOException)
        {
            // It did not wait for it.
        }
        return false;
    }

    private async Task<int> ReadLengthAsync(int small)
    {
        if (small < 126) return small;
        var bytes = new byte[small == 126 ? 2 : 8];
        await stream.ReadExactlyAsync(bytes);
        return small == 126 ? BinaryPrimitives.ReadUInt16BigEndian(bytes) : (int)BinaryPrimitives.ReadInt64BigEndian(bytes);
    }
}
