#if NET7_0_OR_GREATER
#nullable enable
using System;
using System.IO;
using System.Threading;
using System.Threading.Tasks;

namespace GodotSDK
{
    /// <summary>The stream below a WebSocket. It reads the heads of the server's frames as they pass, and changes nothing.</summary>
    internal sealed class FrameWatch : Stream
    {
        private const int CloseOpcode = 8;

        private readonly Stream below;
        private ulong payloadLeft;
        private ulong length;
        private int opcode;
        private int place;
        private int lengthBytesLeft;

        public FrameWatch(Stream below)
        {
            this.below = below;
        }

        /// <summary>Whether a close frame without a code has passed.</summary>
        public bool HasEmptyClose { get; private set; }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancel = default)
        {
            var count = await below.ReadAsync(buffer, cancel).ConfigureAwait(false);
            Watch(buffer.Span.Slice(0, count));
            return count;
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancel) =>
            ReadAsync(buffer.AsMemory(offset, count), cancel).AsTask();

        public override int Read(byte[] buffer, int offset, int count)
        {
            var got = below.Read(buffer, offset, count);
            Watch(buffer.AsSpan(offset, got));
            return got;
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancel = default) => below.WriteAsync(buffer, cancel);

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancel) => below.WriteAsync(buffer, offset, count, cancel);

        public override void Write(byte[] buffer, int offset, int count) => below.Write(buffer, offset, count);

        public override Task FlushAsync(CancellationToken cancel) => below.FlushAsync(cancel);

        public override void Flush() => below.Flush();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing) below.Dispose();
            base.Dispose(disposing);
        }

        private void Watch(ReadOnlySpan<byte> bytes)
        {
            while (bytes.Length > 0)
            {
                var skipped = (int)Math.Min(payloadLeft, (ulong)bytes.Length);
                payloadLeft -= (ulong)skipped;
                bytes = bytes.Slice(skipped);
                if (bytes.Length == 0) return;
                Head(bytes[0]);
                bytes = bytes.Slice(1);
            }
        }

        private void Head(byte next)
        {
            place += 1;
            if (place == 1)
            {
                opcode = next & 0x0f;
                return;
            }
            if (place == 2)
            {
                length = (ulong)next & 0x7f;
                lengthBytesLeft = length == 127 ? 8 : length == 126 ? 2 : 0;
                if (lengthBytesLeft > 0) length = 0;
            }
            else
            {
                length = length << 8 | next;
                lengthBytesLeft -= 1;
            }
            if (lengthBytesLeft > 0) return;
            place = 0;
            payloadLeft = length;
            HasEmptyClose |= opcode == CloseOpcode && length == 0;
        }
    }
}
#endif
