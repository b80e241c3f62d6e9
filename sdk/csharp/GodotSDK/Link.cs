#nullable enable
using System;
using System.Collections.Generic;
using System.Net.Http;
using System.Net.WebSockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace GodotSDK
{
    /// <summary>A link by <see cref="ClientWebSocket"/>.</summary>
    internal sealed class Link : ILink
    {
        private const int CloseLimitMs = 1_000;
        private const int MaxReasonLength = 100;
        private const string Protocol = "godra";
        private const string OtherProtocol = "The server took the WebSocket, but does not speak godra: is there another server at this address?";

        private readonly object gate = new object();
        private readonly ClientWebSocket socket = new ClientWebSocket();
        private readonly CancellationTokenSource life = new CancellationTokenSource();
        private readonly Queue<byte[]> unsent = new Queue<byte[]>();
        private readonly SemaphoreSlim more = new SemaphoreSlim(0);
        private readonly TaskCompletionSource<bool> closed = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly LinkRequest request;
#if NET7_0_OR_GREATER
        private readonly Handshake handshake = new Handshake();
#endif
        private ILinkListener? listener;
        private int unsentBytes;
        private bool isOpen;
        private (int Code, string Reason)? farewell;

        private Link(LinkRequest request, ILinkListener listener)
        {
            this.request = request;
            this.listener = listener;
        }

        public static ILink Open(LinkRequest request, ILinkListener listener)
        {
            var link = new Link(request, listener);
            _ = Task.Run(link.RunAsync);
            return link;
        }

        public bool Send(string text)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            lock (gate)
            {
                if (!isOpen || unsentBytes > request.MaxBufferedBytes) return false;
                unsentBytes += bytes.Length;
                unsent.Enqueue(bytes);
            }
            more.Release();
            return true;
        }

        public Task CloseAsync(int code, string reason)
        {
            lock (gate)
            {
                listener = null;
                if (isOpen) farewell = (code, reason.Length > MaxReasonLength ? reason.Substring(0, MaxReasonLength) : reason);
                isOpen = false;
            }
            // A peer that is gone cannot take part in a closing handshake.
            if (farewell == null) life.Cancel();
            else life.CancelAfter(CloseLimitMs);
            more.Release();
            return closed.Task;
        }

        private async Task RunAsync()
        {
            var end = await LiveAsync().ConfigureAwait(false);
            ILinkListener? told;
            lock (gate)
            {
                told = listener;
                listener = null;
                isOpen = false;
            }
            life.Cancel();
            more.Release();
            socket.Dispose();
#if NET7_0_OR_GREATER
            handshake.Dispose();
#endif
            closed.TrySetResult(true);
            told?.Ended(end);
        }

        private async Task<LinkEnd> LiveAsync()
        {
            try
            {
                Configure();
                await ConnectAsync().ConfigureAwait(false);
                if (socket.SubProtocol != Protocol) return await RejectAsync().ConfigureAwait(false);
            }
            catch (Exception e)
            {
                return RefusalOf(e);
            }
            Opened();
            var sending = SendAllAsync();
            var end = await ReceiveAllAsync().ConfigureAwait(false);
            life.CancelAfter(CloseLimitMs);
            lock (gate)
            {
                isOpen = false;
                farewell ??= (end.Code == CloseCodes.Broken || end.Code == CloseCodes.NoStatus ? CloseCodes.Normal : end.Code, "");
            }
            more.Release();
            await sending.ConfigureAwait(false);
            return end;
        }

        private void Configure()
        {
            socket.Options.AddSubProtocol(Protocol);
            socket.Options.AddSubProtocol($"bearer.{request.Token}");
        }

#if NET7_0_OR_GREATER
        private Task ConnectAsync() => socket.ConnectAsync(request.Address, new HttpMessageInvoker(handshake), life.Token);

        private int CloseCode() => handshake.HasEmptyClose ? CloseCodes.NoStatus : (int)(socket.CloseStatus ?? WebSocketCloseStatus.NormalClosure);
#else
        private Task ConnectAsync() => socket.ConnectAsync(request.Address, life.Token);

        // Of an empty close frame, too, it says 1000.
        private int CloseCode() => (int)(socket.CloseStatus ?? WebSocketCloseStatus.NormalClosure);
#endif

        private void Opened()
        {
            ILinkListener? told;
            lock (gate)
            {
                told = listener;
                isOpen = told != null;
            }
            told?.Opened();
        }

        private async Task<LinkEnd> ReceiveAllAsync()
        {
            var reader = new MessageReader(socket, request.MaxMessageBytes);
            try
            {
                while (true)
                {
                    var read = await reader.ReadAsync(life.Token).ConfigureAwait(false);
                    ILinkListener? told;
                    lock (gate) told = listener;
                    if (read.IsEnd) return new LinkEnd(CloseCode(), socket.CloseStatusDescription ?? "");
                    if (read.Text == null) told?.Malformed(read.Why);
                    else if (told != null) await Waiting.For(told.ReceivedAsync(read.Text), life.Token).ConfigureAwait(false);
                }
            }
            catch (WebSocketException e) when (e.WebSocketErrorCode == WebSocketError.Faulted && !life.IsCancellationRequested)
            {
                return new LinkEnd(CloseCodes.Broken, $"The server broke the WebSocket's rules: {e.Message}") { IsUnreadable = true };
            }
            catch (Exception e)
            {
                return new LinkEnd(CloseCodes.Broken, e is OperationCanceledException ? "" : e.Message);
            }
        }

        /// <summary>Sends what there is, in order, and says goodbye in the end.</summary>
        private async Task SendAllAsync()
        {
            try
            {
                while (true)
                {
                    await more.WaitAsync(life.Token).ConfigureAwait(false);
                    byte[]? next = null;
                    lock (gate)
                    {
                        if (unsent.Count > 0) next = unsent.Dequeue();
                        unsentBytes -= next?.Length ?? 0;
                    }
                    if (next != null) await socket.SendAsync(new ArraySegment<byte>(next), WebSocketMessageType.Text, true, life.Token).ConfigureAwait(false);
                    else if (await SayGoodbyeAsync().ConfigureAwait(false)) return;
                }
            }
            catch (Exception)
            {
                // Whoever receives hears of the end, too, and says how it was.
                life.CancelAfter(CloseLimitMs);
            }
        }

        private async Task<bool> SayGoodbyeAsync()
        {
            (int Code, string Reason)? words;
            lock (gate) words = farewell;
            if (words == null) return false;
            await socket.CloseOutputAsync((WebSocketCloseStatus)words.Value.Code, words.Value.Reason, life.Token).ConfigureAwait(false);
            return true;
        }

        private async Task<LinkEnd> RejectAsync()
        {
            life.CancelAfter(CloseLimitMs);
            await socket.CloseOutputAsync(WebSocketCloseStatus.ProtocolError, "no subprotocol godra", life.Token).ConfigureAwait(false);
            return new LinkEnd(CloseCodes.Broken, OtherProtocol) { IsNoAnswer = true, TellsStatus = true };
        }

        private LinkEnd RefusalOf(Exception e)
        {
            // Also when connecting was cut short by CloseAsync: then nobody listens any more.
            var end = new LinkEnd(CloseCodes.Broken, e.Message) { IsBadToken = e is ArgumentException };
#if NET7_0_OR_GREATER
            end.TellsStatus = true;
            end.Answer = handshake.Refusal;
            end.IsNoAnswer = handshake.IsTaken;
#endif
            return end;
        }
    }
}
