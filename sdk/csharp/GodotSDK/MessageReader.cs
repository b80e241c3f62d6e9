#nullable enable
using System;
using System.Net.WebSockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace GodotSDK
{
    /// <summary>What was read: a text, the end, or neither and why.</summary>
    internal readonly struct ReadMessage
    {
        public ReadMessage(string? text, string why, bool isEnd)
        {
            Text = text;
            Why = why;
            IsEnd = isEnd;
        }

        public string? Text { get; }

        public string Why { get; }

        public bool IsEnd { get; }
    }

    /// <summary>Puts the messages of a WebSocket together from their pieces, up to a length.</summary>
    internal sealed class MessageReader
    {
        private const int FirstBytes = 16 * 1024;

        /// <summary>A buffer that grew for one long message is given back after it.</summary>
        private const int KeptBytes = 256 * 1024;

        /// <summary>So many times the longest message are skipped before the connection is given up.</summary>
        private const int MaxSkipped = 8;

        private static readonly UTF8Encoding Strict = new UTF8Encoding(false, throwOnInvalidBytes: true);

        private readonly WebSocket socket;
        private readonly int maxBytes;
        private byte[] buffer = new byte[FirstBytes];

        public MessageReader(WebSocket socket, int maxBytes)
        {
            this.socket = socket;
            this.maxBytes = maxBytes;
        }

        public async Task<ReadMessage> ReadAsync(CancellationToken cancel)
        {
            var length = 0;
            var skipped = 0L;
            while (true)
            {
                var room = new ArraySegment<byte>(buffer, length, buffer.Length - length);
                var part = await socket.ReceiveAsync(room, cancel).ConfigureAwait(false);
                if (part.MessageType == WebSocketMessageType.Close) return new ReadMessage(null, "", isEnd: true);
                length += part.Count;
                if (part.EndOfMessage) return Finish(length, skipped > 0);
                if (length < buffer.Length) continue;
                if (Grow()) continue;
                skipped += length;
                length = 0;
                if (skipped > (long)maxBytes * MaxSkipped) throw new WebSocketException("a message of the server has no end");
            }
        }

        private ReadMessage Finish(int length, bool isTooLong)
        {
            var read = isTooLong || length > maxBytes ? Bad($"is longer than {maxBytes} bytes") : Decode(length);
            if (buffer.Length > KeptBytes) buffer = new byte[FirstBytes];
            return read;
        }

        private ReadMessage Decode(int length)
        {
            try
            {
                return new ReadMessage(Strict.GetString(buffer, 0, length), "", isEnd: false);
            }
            catch (ArgumentException)
            {
                return Bad("is not UTF-8");
            }
        }

        private static ReadMessage Bad(string why) => new ReadMessage(null, $"A message of the server {why}", isEnd: false);

        private bool Grow()
        {
            if (buffer.Length > maxBytes) return false;
            // One more than allowed, so that a message of just that length ends within it.
            Array.Resize(ref buffer, (int)Math.Min(buffer.Length * 2L, maxBytes + 1L));
            return true;
        }
    }
}
